#pragma once

#include <string>

#include "engine/server/prompts.h"
#include "engine/server/server_options.h"

namespace cotenant {

// What a server understands of what could be asked; found by trying (negotiate.h).
struct RequestForm {
  bool ids = true;
  // Beyond the protocol as it first was: 3: a count of tokens with every chunk, 2: answers that do not end before their
  // length (ignore_eos), 1: a count of tokens at the end, 0: nothing.
  int extras = 3;
  int words_overhead = 0;  // tokens of a prompt that are none of its words: of a template, of a beginning
};

std::string request_url(const ServerOptions& options);

// The body of a request for `rows` sequences. `answer`: tokens to generate.
std::string request_body(const ServerOptions& options, const RequestForm& form, const Prompts& prompts, int64_t iter,
                         int rows, int prompt_tokens, int answer);

}  // namespace cotenant
