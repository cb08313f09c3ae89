#pragma once

#include <cstdint>
#include <string>

#include "model/model.h"

namespace cotenant {

// What a benchmark line measures, as it is written on the command line: model:rows:seq_len[:max_new_tokens].
struct BenchCase {
  std::string
      model;  // a name that open_model knows, or distilgpt2, distilbert, roberta-large, llama-3.2-3b, mistral-7b
  int64_t rows = 8;
  int64_t seq_len = 128;
  int64_t max_new_tokens = 0;
};

// Throws usage_error when it is not of that form.
BenchCase parse_case(const std::string& text);

// weights: "random" needs no files, and the architecture sets the time; "auto" reads those of a directory.
Model open_bench_model(const BenchCase& bench, const std::string& weights = "random");

}  // namespace cotenant
