#include "engine/server/negotiate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/server/answer.h"

namespace cotenant {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kBetweenTriesNs = 100'000'000;
constexpr double kTryS = 5;                                      // of one look whether it is ready
constexpr int64_t kProbe = std::numeric_limits<int64_t>::min();  // the number of a request that is no one's

// One exchange at a time, waited for.
class Conversation : HttpClient::Listener {
 public:
  Conversation(const ServerOptions& options, double timeout_s)
      : options_(options), client_(1, options.bearer, timeout_s, *this) {}

  const Answer& ask(const RequestForm& form, const Prompts& prompts, int prompt_tokens) {
    begin();
    client_.post(0, request_url(options_), request_body(options_, form, prompts, kProbe, 1, prompt_tokens, kTokens));
    return finish();
  }

  const Answer& get(const std::string& path) {
    begin();
    client_.get(0, options_.base_url + path);
    return finish();
  }

 private:
  static constexpr int kTokens = 4;

  void begin() {
    ended_ = false;
    answer_.begin(options_.api, kTokens);
  }
  const Answer& finish() {
    while (!ended_) client_.work(kForever);
    return answer_;
  }
  void on_head(size_t, int status, std::string_view type) override { answer_.head(status, type); }
  bool on_bytes(size_t, std::string_view bytes) override {
    return answer_.bytes(bytes, [](int) {});
  }
  void on_end(size_t, const HttpEnd& end) override {
    answer_.end(end, [](int) {});
    ended_ = true;
  }

  const ServerOptions& options_;
  Answer answer_;
  bool ended_ = false;
  HttpClient client_;
};

std::string what_came(const Answer& answer) {
  const std::string kind = to_text(answer.fault());
  return answer.said().empty() ? kind : fmt::format("{} ({})", kind, answer.said());
}

// What waiting and asking otherwise do not mend.
void refuse_hopeless(const ServerOptions& options, const Answer& answer) {
  const int status = answer.status();
  if (answer.fault() == Fault::tls)
    throw usage_error(options.base_url, "its certificate was not accepted: " + answer.said(),
                      "Put the certificate of the authority that signed it into a file, and set SSL_CERT_FILE to it.");
  if (status >= 300 && status < 400)
    throw usage_error(options.base_url, fmt::format("redirects (HTTP {}), which is not followed", status),
                      "Give the address that it redirects to as server.base_url.");
  if (status == 401 || status == 403)
    throw usage_error(options.base_url, "refuses the request: " + what_came(answer),
                      options.bearer.empty() ? "Name the environment variable that holds its API key by "
                                               "server.api_key_env."
                                             : "Check the API key in the variable that server.api_key_env names.");
}

bool has_no_such_path(int status) {
  return status == 404 || status == 405 || status == 501;
}

// Tokens of a prompt of so many words, by the server's own count.
std::optional<int64_t> tokens_of_words(Conversation& talk, const RequestForm& form, const Prompts& prompts, int words) {
  return talk.ask(form, prompts, words).prompt_tokens();
}

// A template and a token for the beginning come on top of the words.
int words_overhead(Conversation& talk, const RequestForm& form, const Prompts& prompts) {
  constexpr int kFewWords = 16;
  const auto tokens = tokens_of_words(talk, form, prompts, kFewWords);
  return tokens ? static_cast<int>(std::clamp<int64_t>(*tokens - kFewWords, 0, 1 << 20)) : 0;
}

std::vector<RequestForm> forms_of(const ServerOptions& options) {
  std::vector<RequestForm> forms;
  const bool may_ids = options.api != ServerApi::chat && options.prompt != PromptKind::words;
  const bool may_words = options.api == ServerApi::chat || options.prompt != PromptKind::ids;
  const int most_extras = options.api == ServerApi::embeddings ? 0 : 3;
  for (const bool ids : {true, false})
    for (int extras = most_extras; extras >= 0; --extras)
      if (ids ? may_ids : may_words) forms.push_back({.ids = ids, .extras = extras});
  return forms;
}

}  // namespace

void wait_until_ready(const ServerOptions& options) {
  const int64_t deadline_ns = now_ns() + s_to_ns(options.ready_timeout_s);
  std::vector<std::string> paths{options.ready_path};
  if (options.ready_path.empty()) paths = {"/health", "/v1/models"};
  Conversation talk(options, std::min(kTryS, options.ready_timeout_s));
  std::string last;
  do {
    size_t unknown = 0;
    for (const std::string& path : paths) {
      const Answer& answer = talk.get(path);
      if (answer.status() / 100 == 2) return;
      if (answer.fault() == Fault::tls || answer.status() / 100 == 3) refuse_hopeless(options, answer);
      last = what_came(answer);
      const bool asks_for_key = answer.status() == 401 || answer.status() == 403;
      if (options.ready_path.empty() && (has_no_such_path(answer.status()) || asks_for_key))
        ++unknown;
      else
        break;  // it is there, and not ready
    }
    if (unknown == paths.size()) return;  // a server that has neither; what it has is asked for next
    sleep_until_ns(std::min(deadline_ns, now_ns() + kBetweenTriesNs));
  } while (now_ns() < deadline_ns);
  throw usage_error(options.base_url,
                    fmt::format("was not ready within {:g} s: {} at {}", options.ready_timeout_s, last, paths.front()),
                    "Start the server first, check server.base_url, or raise server.ready_timeout_s.");
}

RequestForm find_form(const ServerOptions& options, const Prompts& prompts) {
  constexpr int kPrompt = 8;
  Conversation talk(options, options.timeout_s);
  std::string last;
  for (RequestForm form : forms_of(options)) {
    const Answer& answer = talk.ask(form, prompts, kPrompt);
    if (answer.fault() == Fault::none || answer.fault() == Fault::empty) {
      if (!form.ids) form.words_overhead = words_overhead(talk, form, prompts);
      return form;
    }
    refuse_hopeless(options, answer);
    last = what_came(answer);
    const bool may_be_the_form = answer.status() >= 400 || answer.fault() == Fault::said;
    if (!may_be_the_form || answer.status() == 429) break;
  }
  throw usage_error(request_url(options), "a first request failed: " + last,
                    "Check model_name and server.api against what the server offers (its /v1/models).");
}

}  // namespace cotenant
