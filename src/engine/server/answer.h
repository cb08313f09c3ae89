#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/fault.h"
#include "engine/server/answer_json.h"
#include "engine/server/http_client.h"
#include "engine/server/server_options.h"
#include "engine/server/sse.h"

namespace cotenant {

// One answer of a server, while it comes: what its text has told, and whether it is one that counts.
class Answer {
 public:
  // Called for each chunk with text: how many tokens came in it, 1 where that is not told.
  using OnTokens = std::function<void(int count)>;

  // `most_tokens`: that were asked for.
  void begin(ServerApi api, int most_tokens);
  void head(int status, std::string_view content_type);
  bool bytes(std::string_view bytes, const OnTokens& on_tokens);  // false: no more of it is wanted
  void end(const HttpEnd& end, const OnTokens& on_tokens);

  bool done() const { return done_; }  // the server has said that nothing more will come

  // After the end.
  Fault fault() const { return fault_; }             // none: a good answer
  const std::string& said() const { return said_; }  // with a fault, in one line; may be empty
  int status() const { return status_; }
  int64_t chunks() const { return chunks_; }                                   // with text
  bool has_usage_per_chunk() const { return usage_per_chunk_; }                // and so tokens are known as they came
  std::optional<int64_t> prompt_tokens() const { return prompt_tokens_; }      // by the server's own count
  std::optional<int64_t> answer_tokens() const { return completion_tokens_; }  // likewise
  int64_t tokens() const { return completion_tokens_.value_or(told_); }        // else as many as chunks

 private:
  void take(std::string& data, const OnTokens& on_tokens);
  void fail(Fault fault, std::string said);
  void judge_body();

  ServerApi api_ = ServerApi::completions;
  int most_tokens_ = 0, status_ = 0;
  bool is_stream_ = false;
  SseParser parser_;
  std::string body_;  // of what is no stream
  int64_t chunks_ = 0, told_ = 0;
  bool done_ = false, finished_ = false, usage_per_chunk_ = false;
  std::optional<int64_t> prompt_tokens_, completion_tokens_;
  Fault fault_ = Fault::none;
  std::string said_;
};

}  // namespace cotenant
