#include "engine/server/answer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace cotenant {
namespace {

constexpr size_t kLongestBody = size_t{64} << 20;  // of embeddings
constexpr size_t kLongestRefusal = 4096;           // of which a message is made
constexpr size_t kLongestMessage = 200;

std::string message_of(std::string body) {
  const AnswerJson json = read_answer(body);
  std::string text = one_line(json.error.empty() ? std::move(body) : json.error);
  if (text.size() > kLongestMessage) text.replace(kLongestMessage, std::string::npos, "...");
  return text;
}

}  // namespace

void Answer::begin(ServerApi api, int most_tokens) {
  api_ = api;
  most_tokens_ = most_tokens;
  status_ = 0;
  is_stream_ = false;
  parser_.restart();
  body_.clear();
  chunks_ = told_ = 0;
  done_ = finished_ = usage_per_chunk_ = false;
  prompt_tokens_ = completion_tokens_ = std::nullopt;
  fault_ = Fault::none;
  said_.clear();
}

void Answer::head(int status, std::string_view content_type) {
  status_ = status;
  is_stream_ = content_type.starts_with("text/event-stream");
}

// The first fault is the one that tells.
void Answer::fail(Fault fault, std::string said) {
  if (fault_ != Fault::none) return;
  fault_ = fault;
  said_ = message_of(std::move(said));
}

bool Answer::bytes(std::string_view bytes, const OnTokens& on_tokens) {
  if (status_ != 200 || !is_stream_) {
    const size_t longest = status_ == 200 ? kLongestBody : kLongestRefusal;
    body_.append(bytes.substr(0, longest - std::min(longest, body_.size())));
    if (body_.size() == longest && status_ == 200) fail(Fault::endless, "the body is longer than 64 MiB");
    return fault_ == Fault::none;
  }
  if (!parser_.feed(bytes, [&](std::string& data) { take(data, on_tokens); }))
    fail(Fault::malformed, "a line of the stream is longer than 1 MiB");
  return fault_ == Fault::none;
}

void Answer::take(std::string& data, const OnTokens& on_tokens) {
  if (done_ || fault_ != Fault::none) return;
  if (data.starts_with("[DONE]")) {
    done_ = true;
    return;
  }
  const AnswerJson json = read_answer(data);
  if (!json.is_json) return fail(Fault::malformed, "an event of the stream is no JSON object: " + data.substr(0, 60));
  if (json.is_error) return fail(Fault::said, json.error);
  if (json.prompt_tokens) prompt_tokens_ = json.prompt_tokens;
  int64_t count = 1;
  if (json.completion_tokens) {
    if (json.has_text) {
      count = *json.completion_tokens - completion_tokens_.value_or(0);
      usage_per_chunk_ = true;
    }
    completion_tokens_ = json.completion_tokens;
  }
  finished_ |= json.finished;
  if (!json.has_text) return;
  ++chunks_;
  count = std::clamp<int64_t>(count, 0, most_tokens_ - std::min<int64_t>(told_, most_tokens_));
  told_ += count;
  // Twice as many and some more: a server may split a character over chunks, and not one that goes on and on.
  if (chunks_ > 2 * int64_t{most_tokens_} + 16)
    return fail(Fault::endless, "it goes on after the tokens that were asked for");
  if (count > 0) on_tokens(static_cast<int>(count));
}

void Answer::judge_body() {
  const bool embeds = api_ == ServerApi::embeddings;
  if (!embeds) return fail(Fault::malformed, "the answer is no stream (Content-Type text/event-stream)");
  std::string body = std::move(body_);
  const AnswerJson json = read_answer(body);
  if (!json.is_json) return fail(Fault::malformed, "the answer is no JSON object: " + body.substr(0, 60));
  if (json.is_error) return fail(Fault::said, json.error);
  if (!json.has_data) return fail(Fault::empty, "no embedding is in the answer");
  prompt_tokens_ = json.prompt_tokens;
}

void Answer::end(const HttpEnd& end, const OnTokens& on_tokens) {
  status_ = end.status;
  if (fault_ != Fault::none) return;
  if (done_) return tokens() > 0 ? void() : fail(Fault::empty, "the stream has no token");
  if (end.result == CURLE_OPERATION_TIMEDOUT) return fail(Fault::timeout, end.problem);
  if (end.result == CURLE_PEER_FAILED_VERIFICATION || end.result == CURLE_SSL_CACERT_BADFILE)
    return fail(Fault::tls, end.problem);
  if (end.status == 0) return fail(Fault::unreachable, end.problem.empty() ? "no answer" : end.problem);
  if (end.status != 200) return fail(static_cast<Fault>(end.status), std::move(body_));
  if (is_stream_) parser_.end([&](std::string& data) { take(data, on_tokens); });
  if (fault_ != Fault::none) return;
  if (is_stream_ && !done_ && !finished_)
    return fail(Fault::closed_early, end.problem.empty() ? "the stream ended without [DONE] or a reason" : end.problem);
  if (!is_stream_ && end.result != CURLE_OK) return fail(Fault::closed_early, end.problem);
  if (!is_stream_) return judge_body();
  if (tokens() == 0) fail(Fault::empty, "the stream has no token");
}

}  // namespace cotenant
