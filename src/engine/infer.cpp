#include "engine/infer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/native_engine.h"
#include "model/model.h"

namespace cotenant {
namespace {

// Loads an engine for a batch of `rows` sequences of `length` tokens each.
std::unique_ptr<NativeEngine> ready_engine(EngineOptions& options, size_t rows, size_t length, int max_new_tokens) {
  options.rows = static_cast<int>(rows);
  options.seq_len = static_cast<int>(length);
  options.max_new_tokens = max_new_tokens;
  auto engine = std::make_unique<NativeEngine>(options);
  engine->load();
  engine->prepare();
  engine->warm();
  return engine;
}

// Submits one batch and hands every report to `visit`.
template <typename Visit>
void run_batch(NativeEngine& engine, const EngineOptions& options, const std::vector<int32_t>& tokens, Visit visit) {
  engine.submit({.tokens = tokens, .rows = options.rows, .max_new_tokens = options.max_new_tokens});
  for (bool done = false; !done;)
    for (const Progress& progress : engine.step(now_ns())) {
      visit(progress);
      done = progress.status == Status::done;
    }
}

std::vector<int32_t> flatten(const TokenRows& rows, const std::vector<size_t>& which) {
  std::vector<int32_t> tokens;
  for (const size_t row : which) tokens.insert(tokens.end(), rows[row].begin(), rows[row].end());
  return tokens;
}

}  // namespace

void check_token_ids(const ModelSpec& spec, const TokenRows& rows) {
  if (rows.empty()) throw usage_error("input ids", "there are none");
  for (size_t r = 0; r < rows.size(); ++r) {
    if (rows[r].empty()) throw usage_error("input ids", fmt::format("row {} is empty", r));
    for (size_t i = 0; i < rows[r].size(); ++i)
      if (rows[r][i] < 0 || rows[r][i] >= spec.vocab_size)
        throw usage_error("input ids", fmt::format("row {}, place {}: {} is outside the vocabulary, 0 to {}", r, i,
                                                   rows[r][i], spec.vocab_size - 1));
  }
}

TokenRows generate_tokens(EngineOptions options, const TokenRows& rows, int count) {
  check_token_ids(options.model->spec, rows);
  std::map<size_t, std::vector<size_t>> by_length;
  for (size_t row = 0; row < rows.size(); ++row) by_length[rows[row].size()].push_back(row);

  TokenRows output(rows.size());
  for (const auto& [length, which] : by_length) {
    const auto engine = ready_engine(options, which.size(), length, count);
    run_batch(*engine, options, flatten(rows, which), [&, &group = which](const Progress& progress) {
      if (progress.status == Status::token) output[group[static_cast<size_t>(progress.row)]].push_back(progress.token);
    });
  }
  return output;
}

Logits forward_logits(EngineOptions options, const TokenRows& rows) {
  check_token_ids(options.model->spec, rows);
  const size_t length = rows[0].size();
  std::vector<size_t> all;
  for (size_t row = 0; row < rows.size(); ++row) {
    if (rows[row].size() != length)
      throw usage_error("input ids", fmt::format("row {} has {} ids and row 0 has {}; all logits make an array only of "
                                                 "rows of equal length",
                                                 row, rows[row].size(), length));
    all.push_back(row);
  }
  const auto engine = ready_engine(options, rows.size(), length, 0);
  run_batch(*engine, options, flatten(rows, all), [](const Progress&) {});
  return {.values = engine->logits(),
          .rows = static_cast<int64_t>(rows.size()),
          .length = static_cast<int64_t>(length),
          .width = engine->logits_width()};
}

}  // namespace cotenant
