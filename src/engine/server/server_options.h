#pragma once

#include <cstdint>
#include <string>

namespace cotenant {

enum class ServerApi : uint8_t { completions, chat, embeddings };

// What prompts are made of. ids are of the length that is asked for; words are in any language model's vocabulary, and
// almost all of them are one token. automatic: ids where the server takes them.
enum class PromptKind : uint8_t { automatic, ids, words };

// An OpenAI-compatible server, as its engine needs to know it.
struct ServerOptions {
  std::string base_url;  // "http://127.0.0.1:8000", without /v1
  ServerApi api = ServerApi::completions;
  std::string model;       // as it is sent
  std::string bearer;      // the API key; empty: none
  std::string ready_path;  // empty: /health, or where there is none /v1/models
  double ready_timeout_s = 60, timeout_s = 60;
  PromptKind prompt = PromptKind::automatic;
  int vocab_size = 32000;  // ids are below it
  int max_in_flight = 1;
  uint64_t seed = 0;  // of prompts
};

}  // namespace cotenant
