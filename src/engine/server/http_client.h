#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "engine/server/curl_library.h"

namespace cotenant {

// How an exchange ended.
struct HttpEnd {
  CURLcode result = CURLE_OK;
  int status = 0;           // 0: no answer
  int64_t connections = 0;  // that were opened for it
  std::string problem;      // of a result that is not CURLE_OK, in one line
};

// Many exchanges at a time over HTTP/1.1, each on a connection of its own that later ones use again, by one thread that
// waits for all of them to the nanosecond (epoll). No redirects, no proxy, no compression; certificates are checked
// against the system's authorities, or those of SSL_CERT_FILE.
class HttpClient {
 public:
  // Called from post(), get() and work().
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void on_head(size_t slot, int status, std::string_view content_type) = 0;  // before the first bytes
    virtual bool on_bytes(size_t slot, std::string_view bytes) = 0;  // of the body; false: breaks the exchange off
    virtual void on_end(size_t slot, const HttpEnd& end) = 0;
  };

  // `slots`: exchanges at a time. `bearer`: an API key; empty: none. `timeout_s`: of each exchange.
  HttpClient(size_t slots, const std::string& bearer, double timeout_s, Listener& listener);
  HttpClient(const HttpClient&) = delete;
  ~HttpClient();

  // In a slot without an exchange. What is sent is on its way when it returns, where there is a connection.
  void post(size_t slot, const std::string& url, std::string body);
  void get(size_t slot, const std::string& url);
  void cancel(size_t slot);  // without a word to the listener

  // Returns when the listener has been called, or at that instant.
  void work(int64_t until_ns);

 private:
  struct Exchange;
  struct CloseMulti {
    void operator()(CURLM* multi) const { CurlLibrary::get().multi_cleanup(multi); }
  };
  Exchange& exchange_of(size_t slot);
  void start(Exchange& exchange, const std::string& url);
  void act(curl_socket_t socket, int events);
  void finish_ended();
  void wait(int64_t until_ns);
  static size_t take_bytes(char* bytes, size_t size, size_t count, void* exchange);
  static int watch_socket(CURL*, curl_socket_t socket, int what, void* self, void* known);
  static int set_timer(CURLM*, long timeout_ms, void* self);

  const CurlLibrary& curl_;
  const double timeout_s_;
  Listener& listener_;
  curl_slist* headers_ = nullptr;
  Fd epoll_;
  std::unique_ptr<CURLM, CloseMulti> multi_;
  std::vector<std::unique_ptr<Exchange>> exchanges_;  // by slot; null: not yet used
  int64_t timer_ns_;                                  // when libcurl wants to be called
  bool called_ = false;                               // the listener, since work() returned
};

}  // namespace cotenant
