#include "engine/server/http_client.h"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

namespace cotenant {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int64_t kNanosecondsOfSecond = 1'000'000'000;

}  // namespace

struct HttpClient::Exchange {
  HttpClient* client = nullptr;
  size_t slot = 0;
  CURL* easy = nullptr;
  std::string body;  // sent from here
  bool active = false, headed = false;
  std::array<char, CURL_ERROR_SIZE> problem{};
};

HttpClient::HttpClient(size_t slots, const std::string& bearer, double timeout_s, Listener& listener)
    : curl_(CurlLibrary::get()),
      timeout_s_(timeout_s),
      listener_(listener),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      multi_(curl_.multi_init()),
      exchanges_(slots),
      timer_ns_(kNever) {
  if (!epoll_) throw system_error("engine: server", "epoll_create1");
  headers_ = curl_.slist_append(headers_, "Content-Type: application/json");
  headers_ = curl_.slist_append(headers_, "Expect:");  // a long prompt is not announced first
  if (!bearer.empty()) headers_ = curl_.slist_append(headers_, ("Authorization: Bearer " + bearer).c_str());
  curl_.multi_setopt(multi_.get(), CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_.multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
  curl_.multi_setopt(multi_.get(), CURLMOPT_TIMERFUNCTION, set_timer);
  curl_.multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
  curl_.multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(slots + 1));
}

HttpClient::~HttpClient() {
  for (const auto& exchange : exchanges_) {
    if (!exchange) continue;
    if (exchange->active) curl_.multi_remove_handle(multi_.get(), exchange->easy);
    curl_.easy_cleanup(exchange->easy);
  }
  multi_.reset();  // closes connections, and calls back to say so
  curl_.slist_free_all(headers_);
}

HttpClient::Exchange& HttpClient::exchange_of(size_t slot) {
  auto& exchange = exchanges_.at(slot);
  if (exchange) return *exchange;
  exchange = std::make_unique<Exchange>();
  exchange->client = this;
  exchange->slot = slot;
  exchange->easy = curl_.easy_init();
  if (exchange->easy == nullptr) throw internal_error("libcurl", "curl_easy_init failed");
  const auto set = [&](CURLoption option, auto value) { curl_.easy_setopt(exchange->easy, option, value); };
  set(CURLOPT_PRIVATE, exchange.get());
  set(CURLOPT_ERRORBUFFER, exchange->problem.data());
  set(CURLOPT_HTTPHEADER, headers_);
  set(CURLOPT_WRITEFUNCTION, take_bytes);
  set(CURLOPT_WRITEDATA, exchange.get());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PROXY, "");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_TIMEOUT_MS, std::max(1L, static_cast<long>(timeout_s_ * 1e3)));
  set(CURLOPT_DNS_CACHE_TIMEOUT, -1L);
  set(CURLOPT_TCP_NODELAY, 1L);
  if (const char* authorities = std::getenv("SSL_CERT_FILE")) set(CURLOPT_CAINFO, authorities);
  return *exchange;
}

void HttpClient::post(size_t slot, const std::string& url, std::string body) {
  Exchange& exchange = exchange_of(slot);
  exchange.body = std::move(body);
  curl_.easy_setopt(exchange.easy, CURLOPT_POSTFIELDS, exchange.body.c_str());
  curl_.easy_setopt(exchange.easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange.body.size()));
  start(exchange, url);
}

void HttpClient::get(size_t slot, const std::string& url) {
  Exchange& exchange = exchange_of(slot);
  curl_.easy_setopt(exchange.easy, CURLOPT_HTTPGET, 1L);
  start(exchange, url);
}

void HttpClient::start(Exchange& exchange, const std::string& url) {
  curl_.easy_setopt(exchange.easy, CURLOPT_URL, url.c_str());
  exchange.problem.front() = '\0';
  exchange.headed = false;
  exchange.active = true;
  curl_.multi_add_handle(multi_.get(), exchange.easy);
  act(CURL_SOCKET_TIMEOUT, 0);
  finish_ended();
}

void HttpClient::cancel(size_t slot) {
  Exchange& exchange = exchange_of(slot);
  if (std::exchange(exchange.active, false)) curl_.multi_remove_handle(multi_.get(), exchange.easy);
}

void HttpClient::act(curl_socket_t socket, int events) {
  int running = 0;
  if (const CURLMcode code = curl_.multi_socket_action(multi_.get(), socket, events, &running); code != CURLM_OK)
    throw internal_error("libcurl", "curl_multi_socket_action failed: " + std::to_string(code));
}

void HttpClient::finish_ended() {
  int left = 0;
  while (const CURLMsg* message = curl_.multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    Exchange* exchange = nullptr;
    long status = 0, connections = 0;
    CURL* const easy = message->easy_handle;
    const CURLcode result = message->data.result;
    curl_.easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
    curl_.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_.easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connections);
    curl_.multi_remove_handle(multi_.get(), easy);
    exchange->active = false;
    HttpEnd end{.result = result, .status = static_cast<int>(status), .connections = connections, .problem = ""};
    if (result != CURLE_OK) {
      const std::string_view told = exchange->problem.data();
      end.problem = one_line(std::string(told.empty() ? curl_.easy_strerror(result) : told));
      // Of a status line or a header longer than libcurl's bound (100 KiB) it says no more than that.
      if (result == CURLE_OUT_OF_MEMORY) end.problem = "a line of its headers does not end, or there is no memory";
    }
    called_ = true;
    listener_.on_end(exchange->slot, end);
  }
}

void HttpClient::work(int64_t until_ns) {
  for (;;) {
    if (timer_ns_ <= now_ns()) {
      timer_ns_ = kNever;
      act(CURL_SOCKET_TIMEOUT, 0);
    }
    finish_ended();
    wait(called_ ? 0 : std::min(until_ns, timer_ns_));
    finish_ended();
    if (std::exchange(called_, false) || now_ns() >= until_ns) return;
  }
}

// epoll_wait counts in milliseconds; ppoll waits for the set as a whole, to the nanosecond.
void HttpClient::wait(int64_t until_ns) {
  std::array<epoll_event, 128> events;
  int ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  if (const int64_t left_ns = until_ns - now_ns(); ready == 0 && left_ns > 0) {
    pollfd set{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
    const timespec patience{.tv_sec = left_ns / kNanosecondsOfSecond, .tv_nsec = left_ns % kNanosecondsOfSecond};
    ::ppoll(&set, 1, &patience, nullptr);
    ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
  }
  for (int i = 0; i < ready; ++i) {
    const uint32_t what = events[static_cast<size_t>(i)].events;
    int mask = 0;
    if (what & EPOLLIN) mask |= CURL_CSELECT_IN;
    if (what & EPOLLOUT) mask |= CURL_CSELECT_OUT;
    if (what & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_ERR;
    act(events[static_cast<size_t>(i)].data.fd, mask);
  }
}

size_t HttpClient::take_bytes(char* bytes, size_t size, size_t count, void* given) {
  auto& exchange = *static_cast<Exchange*>(given);
  HttpClient& client = *exchange.client;
  client.called_ = true;
  if (!std::exchange(exchange.headed, true)) {
    long status = 0;
    const char* type = nullptr;
    client.curl_.easy_getinfo(exchange.easy, CURLINFO_RESPONSE_CODE, &status);
    client.curl_.easy_getinfo(exchange.easy, CURLINFO_CONTENT_TYPE, &type);
    client.listener_.on_head(exchange.slot, static_cast<int>(status), type ? type : "");
  }
  return client.listener_.on_bytes(exchange.slot, {bytes, size * count}) ? size * count : 0;
}

int HttpClient::watch_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  const int set = static_cast<HttpClient*>(self)->epoll_.get();
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(set, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{};
  event.data.fd = socket;
  event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
  if (::epoll_ctl(set, EPOLL_CTL_MOD, socket, &event) != 0 && errno == ENOENT)
    ::epoll_ctl(set, EPOLL_CTL_ADD, socket, &event);
  return 0;
}

int HttpClient::set_timer(CURLM*, long timeout_ms, void* self) {
  static_cast<HttpClient*>(self)->timer_ns_ = timeout_ms < 0 ? kNever : now_ns() + int64_t{timeout_ms} * 1'000'000;
  return 0;
}

}  // namespace cotenant
