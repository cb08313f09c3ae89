#include "engine/server/server_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/open_files.h"
#include "engine/server/negotiate.h"

namespace cotenant {
namespace {

constexpr int64_t kNapNs = 10'000'000;      // after which step() gives its caller a chance to stop
constexpr uint64_t kOtherFiles = 128;       // of the process
constexpr int64_t kDeadNs = 3'000'000'000;  // without any answer, while requests fail

}  // namespace

ServerEngine::ServerEngine(ServerOptions options)
    : options_(std::move(options)), url_(request_url(options_)), prompts_(options_.seed, options_.vocab_size) {
  CurlLibrary::get();
}

void ServerEngine::load() {
  allow_open_files(static_cast<uint64_t>(options_.max_in_flight) + kOtherFiles);
  wait_until_ready(options_);
  form_ = find_form(options_, prompts_);
  facts_.prompts = form_.ids ? "token ids" : "words";
  slots_.resize(static_cast<size_t>(options_.max_in_flight));
  HttpClient::Listener& listener = *this;
  client_ = std::make_unique<HttpClient>(slots_.size(), options_.bearer, options_.timeout_s, listener);
}

bool ServerEngine::submit(const Request& request) {
  Slot& slot = slots_.at(request.id);
  if (slot.in_use) return false;
  slot.in_use = true;
  slot.iter = request.iter;
  slot.prompt_tokens = request.rows * request.seq_len;
  slot.answer_tokens = request.max_new_tokens;
  slot.done_ns = 0;
  slot.answer.begin(options_.api, request.max_new_tokens);
  client_->post(
      request.id, url_,
      request_body(options_, form_, prompts_, request.iter, request.rows, request.seq_len, request.max_new_tokens));
  return true;
}

std::span<const Progress> ServerEngine::step(int64_t until_ns) {
  if (made_.empty() && !death_.empty()) throw usage_error(options_.base_url, death_, "See what the server says.");
  if (made_.empty()) client_->work(std::min(until_ns, now_ns() + kNapNs));
  told_.clear();
  std::swap(told_, made_);
  return told_;
}

void ServerEngine::on_head(size_t slot, int status, std::string_view content_type) {
  slots_[slot].answer.head(status, content_type);
}

Answer::OnTokens ServerEngine::report_tokens(size_t slot, int64_t at_ns) {
  return [this, slot, at_ns](int count) {
    made_.push_back({.id = slot, .status = Status::token, .count = count, .at_ns = at_ns});
  };
}

bool ServerEngine::on_bytes(size_t index, std::string_view bytes) {
  Slot& slot = slots_[index];
  const int64_t at_ns = now_ns();
  const bool wanted = slot.answer.bytes(bytes, report_tokens(index, at_ns));
  if (slot.answer.done() && slot.done_ns == 0) slot.done_ns = at_ns;
  return wanted;
}

void ServerEngine::on_end(size_t index, const HttpEnd& end) {
  Slot& slot = slots_[index];
  const int64_t at_ns = now_ns();
  slot.answer.end(end, report_tokens(index, at_ns));
  count(slot, end.connections);
  watch_for_death(slot.answer, at_ns);
  report_end(index, slot.done_ns != 0 ? slot.done_ns : at_ns);
}

void ServerEngine::report_end(size_t index, int64_t at_ns) {
  Slot& slot = slots_[index];
  const Answer& answer = slot.answer;
  Progress progress{.id = index, .status = Status::done, .at_ns = at_ns};
  if (answer.fault() == Fault::none) {
    if (options_.api != ServerApi::embeddings) progress.tokens_out = static_cast<int32_t>(answer.tokens());
    if (answer.prompt_tokens()) progress.tokens_in = static_cast<int32_t>(*answer.prompt_tokens());
  } else {
    progress.status = answer.status() == 429 ? Status::rejected : Status::failed;
    progress.fault = answer.fault();
  }
  made_.push_back(progress);
  slot.in_use = false;
}

void ServerEngine::count(const Slot& slot, int64_t connections) {
  if (slot.iter < 0) return;
  const Answer& answer = slot.answer;
  facts_.connections += connections;
  if (answer.fault() != Fault::none) return count_fault(answer.fault(), answer.said());
  if (answer.prompt_tokens())
    ++(*answer.prompt_tokens() == slot.prompt_tokens ? facts_.exact_prompts : facts_.other_prompts);
  if (options_.api == ServerApi::embeddings) return;
  ++(answer.has_usage_per_chunk() ? facts_.per_chunk : answer.answer_tokens() ? facts_.by_usage : facts_.by_chunks);
  facts_.chunks += answer.chunks();
  facts_.tokens += answer.tokens();
  facts_.tokens_asked += slot.answer_tokens;
}

void ServerEngine::count_fault(Fault fault, const std::string& said) {
  const auto known = std::ranges::find(facts_.faults, fault, &ServerFacts::FaultCount::fault);
  if (known == facts_.faults.end())
    facts_.faults.push_back({.fault = fault, .count = 1, .example = said});
  else
    ++known->count;
}

// A server that has ended refuses connections; one that hangs lets every request run out of time.
void ServerEngine::watch_for_death(const Answer& answer, int64_t at_ns) {
  if (answer.status() != 0) silent_since_ns_ = 0;
  if (answer.status() != 0) return;
  if (silent_since_ns_ == 0) silent_since_ns_ = at_ns;
  const int64_t patience_ns = answer.fault() == Fault::timeout ? s_to_ns(2 * options_.timeout_s) : kDeadNs;
  if (at_ns - silent_since_ns_ < patience_ns) return;
  death_ = fmt::format("the server has not answered for {:.0f} s: {}", ns_to_s(at_ns - silent_since_ns_),
                       answer.said().empty() ? to_text(answer.fault()) : answer.said());
}

}  // namespace cotenant
