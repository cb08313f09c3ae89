#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/server/answer.h"
#include "engine/server/http_client.h"
#include "engine/server/prompts.h"
#include "engine/server/request_form.h"
#include "engine/server/server_options.h"

namespace cotenant {

// A client of an OpenAI-compatible server: each request is one answer, streamed where tokens are generated. The first
// token's time is that of the first chunk with text, as this host's clock has it when the chunk has been read.
//
// Requests that fail are reported with their fault, and the engine goes on; once nothing has answered for some seconds,
// step() throws.
class ServerEngine : public Engine, private HttpClient::Listener {
 public:
  explicit ServerEngine(ServerOptions options);  // throws usage_error where there is no libcurl

  void load() override;  // waits until it is ready, and finds out what it understands
  void warm() override {}
  int capacity() const override { return options_.max_in_flight; }
  bool submit(const Request& request) override;
  std::span<const Progress> step(int64_t until_ns) override;
  std::optional<ServerFacts> server_facts() const override { return facts_; }

 private:
  struct Slot {
    bool in_use = false;
    int64_t iter = 0;
    int prompt_tokens = 0;  // that were asked for, of all sequences
    int answer_tokens = 0;
    int64_t done_ns = 0;  // when the server said that nothing more will come; 0: it has not
    Answer answer;
  };
  void on_head(size_t slot, int status, std::string_view content_type) override;
  bool on_bytes(size_t slot, std::string_view bytes) override;
  void on_end(size_t slot, const HttpEnd& end) override;
  Answer::OnTokens report_tokens(size_t slot, int64_t at_ns);
  void report_end(size_t slot, int64_t at_ns);
  void count(const Slot& slot, int64_t connections);
  void count_fault(Fault fault, const std::string& said);
  void watch_for_death(const Answer& answer, int64_t at_ns);

  const ServerOptions options_;
  const std::string url_;
  const Prompts prompts_;
  RequestForm form_;
  std::vector<Slot> slots_;            // by a request's id
  std::vector<Progress> made_, told_;  // since the last step; what that gave out
  ServerFacts facts_;
  int64_t silent_since_ns_ = 0;  // nothing has answered since then; 0: the last request had an answer
  std::string death_;            // why no more is to be hoped for; empty: it lives
  std::unique_ptr<HttpClient> client_;
};

}  // namespace cotenant
