#include "engine/server/request_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

namespace cotenant {
namespace {

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_prompt(std::string& json, const RequestForm& form, const Prompts& prompts, int64_t iter, int row,
                   int tokens) {
  if (form.ids)
    prompts.append_ids(json, iter, row, tokens);
  else
    prompts.append_words(json, iter, row, std::max(1, tokens - form.words_overhead));
}

}  // namespace

std::string request_url(const ServerOptions& options) {
  switch (options.api) {
    case ServerApi::completions:
      return options.base_url + "/v1/completions";
    case ServerApi::chat:
      return options.base_url + "/v1/chat/completions";
    case ServerApi::embeddings:
      return options.base_url + "/v1/embeddings";
  }
  return "";
}

std::string request_body(const ServerOptions& options, const RequestForm& form, const Prompts& prompts, int64_t iter,
                         int rows, int prompt_tokens, int answer) {
  std::string json = fmt::format(R"({{"model":{})", quoted(options.model));
  const auto add_prompt = [&](int row) { append_prompt(json, form, prompts, iter, row, prompt_tokens); };
  if (options.api == ServerApi::embeddings) {
    json += R"(,"encoding_format":"base64","input":[)";
    for (int row = 0; row < rows; ++row) {
      if (row > 0) json += ',';
      add_prompt(row);
    }
    return json + "]}";
  }
  if (options.api == ServerApi::chat) {
    json += R"(,"messages":[{"role":"user","content":)";
    add_prompt(0);
    json += "}]";
  } else {
    json += R"(,"prompt":)";
    add_prompt(0);
  }
  fmt::format_to(std::back_inserter(json), R"(,"max_tokens":{},"temperature":0,"stream":true)", answer);
  if (form.extras >= 2) json += R"(,"ignore_eos":true)";
  if (form.extras >= 3)
    json += R"(,"stream_options":{"include_usage":true,"continuous_usage_stats":true})";
  else if (form.extras >= 1)
    json += R"(,"stream_options":{"include_usage":true})";
  return json + "}";
}

}  // namespace cotenant
