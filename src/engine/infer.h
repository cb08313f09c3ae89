#pragma once

#include <cstdint>
#include <vector>

#include "engine/options.h"
#include "model/spec.h"

// Runs the native engine once on given token ids, to look at what a model says. Nothing here is timed.
namespace cotenant {

using TokenRows = std::vector<std::vector<int32_t>>;

// Throws usage_error, naming row and place, for an id outside the vocabulary, an empty row or no row at all.
void check_token_ids(const ModelSpec& spec, const TokenRows& rows);

// Greedy tokens of each row, `count` of them, without the prompt. Rows of equal length run as one batch. Of `options`
// the shape is ignored: it follows from the rows.
TokenRows generate_tokens(EngineOptions options, const TokenRows& rows, int count);

struct Logits {
  std::vector<float> values;  // [rows, length, width]
  int64_t rows = 0, length = 0, width = 0;
};

// All logits of each row (an encoder's hidden states). Throws usage_error when the rows differ in length.
Logits forward_logits(EngineOptions options, const TokenRows& rows);

}  // namespace cotenant
