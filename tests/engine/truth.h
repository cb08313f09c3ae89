#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/native/devices.h"
#include "engine/native/native_engine.h"
#include "engine/native/transformer.h"
#include "fixtures/expected.h"
#include "model/model.h"
#include "model/open.h"

// Checks of the native engine against Hugging Face Transformers' answers (tests/fixtures). They know no device: the
// tests of each device call them with its name and what its arithmetic can be asked for.
namespace cotenant::truth {

// Sanitizers' builds keep to one thread under TSan, which does not know OpenMP's barriers.
#ifdef __SANITIZE_THREAD__
inline constexpr int test_threads = 1;
#else
inline constexpr int test_threads = 2;
#endif

struct Setting {
  std::string device = "cpu";
  Dtype dtype = Dtype::f32;
  int threads = test_threads;
};

inline std::vector<std::string> fixture_names() {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture_directory("")))
    names.insert(entry.path().filename().string());
  return {names.begin(), names.end()};
}

inline std::vector<std::string> decoder_names() {
  std::vector<std::string> names = fixture_names();
  std::erase_if(names, [](const std::string& name) { return read_expected(name).new_length == 0; });
  return names;
}

// ||a - b|| / ||b||; NaN anywhere makes it NaN, which no bound admits.
inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0, size = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference += std::pow(double{a[i]} - double{b[i]}, 2);
    size += std::pow(double{b[i]}, 2);
  }
  return std::sqrt(difference / size);
}

// A loaded and warm engine for a fixture.
inline std::unique_ptr<NativeEngine> engine_for(const std::string& name, const Setting& setting, int64_t rows,
                                                int64_t length, int64_t max_new_tokens = 0) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model(fixture_directory(name).string(), "auto", 0));
  options.device = setting.device;
  options.dtype = setting.dtype;
  options.threads = setting.threads;
  options.rows = static_cast<int>(rows);
  options.seq_len = static_cast<int>(length);
  options.max_new_tokens = static_cast<int>(max_new_tokens);
  auto engine = std::make_unique<NativeEngine>(options);
  engine->load();
  engine->prepare();
  engine->warm();
  return engine;
}

// Runs one request to its end and returns everything reported.
inline std::vector<Progress> run(NativeEngine& engine, const std::vector<int32_t>& tokens, int64_t rows,
                                 int64_t new_tokens = 0) {
  EXPECT_TRUE(engine.submit(
      {.id = 1, .tokens = tokens, .rows = static_cast<int>(rows), .max_new_tokens = static_cast<int>(new_tokens)}));
  std::vector<Progress> reports;
  do {
    const auto step = engine.step(now_ns());
    reports.insert(reports.end(), step.begin(), step.end());
  } while (reports.back().status != Status::done);
  return reports;
}

// A forward pass after every buffer has been filled with NaN.
inline std::vector<float> forward(NativeEngine& engine, const std::vector<int32_t>& tokens, int64_t rows) {
  engine.poison();
  run(engine, tokens, rows);
  return engine.logits();
}

// [rows, count] tokens, generated after every buffer has been filled with NaN.
inline std::vector<int32_t> generate(NativeEngine& engine, const std::vector<int32_t>& tokens, int64_t rows,
                                     int64_t count) {
  engine.poison();
  std::vector<std::vector<int32_t>> by_row(static_cast<size_t>(rows));
  for (const Progress& progress : run(engine, tokens, rows, count))
    if (progress.status == Status::token) by_row[static_cast<size_t>(progress.row)].push_back(progress.token);
  std::vector<int32_t> all;
  for (const auto& row : by_row) all.insert(all.end(), row.begin(), row.end());
  return all;
}

// All logits (an encoder's hidden states) of the fixture's batch.
inline void expect_logits(const std::string& name, const Setting& setting, double bound) {
  const Expected expected = read_expected(name);
  const auto engine = engine_for(name, setting, expected.rows, expected.length);
  ASSERT_EQ(engine->logits_width(), expected.width);
  const std::vector<float> first = forward(*engine, expected.input_ids, expected.rows);
  EXPECT_LE(relative_error(first, expected.output), bound);
  // A replay computes the same, whatever the pass before it left.
  EXPECT_EQ(forward(*engine, expected.input_ids, expected.rows), first);
}

// The fixture's greedy continuation, token by token; and again, from what the first one left.
inline void expect_greedy_tokens(const std::string& name, const Setting& setting) {
  const Expected expected = read_expected(name);
  const auto engine = engine_for(name, setting, expected.rows, expected.length, expected.new_length);
  for (int repeat = 0; repeat < 2; ++repeat)
    EXPECT_EQ(generate(*engine, expected.input_ids, expected.rows, expected.new_length), expected.new_tokens);
}

// Each row of the batch followed by its first `count` expected tokens.
inline std::vector<int32_t> continued(const Expected& expected, int64_t count) {
  std::vector<int32_t> tokens;
  for (int64_t row = 0; row < expected.rows; ++row) {
    const auto prompt = expected.input_ids.begin() + row * expected.length;
    const auto next = expected.new_tokens.begin() + row * expected.new_length;
    tokens.insert(tokens.end(), prompt, prompt + expected.length);
    tokens.insert(tokens.end(), next, next + count);
  }
  return tokens;
}

// Decoding with the cache says what a forward pass over the same tokens says: the logits that choose the first `steps`
// tokens of each row. In float32 at each of them; in reduced precision together, since that is what a bound is known
// for there. (There the choices may part, too; a check then ends.)
inline void expect_decode_agrees_with_forward(const std::string& name, const Setting& setting, double bound,
                                              int64_t steps = 12) {
  const Expected expected = read_expected(name);
  const auto decoding = engine_for(name, setting, expected.rows, expected.length, steps);
  const int64_t length = expected.length + steps - 1, width = expected.width;
  const auto whole = engine_for(name, setting, expected.rows, length);
  const std::vector<float> all = forward(*whole, continued(expected, steps - 1), expected.rows);
  std::vector<float> found, wanted;
  bool parted = false;
  for (int64_t step = 1; step <= steps && !parted; ++step) {
    const auto tokens = generate(*decoding, expected.input_ids, expected.rows, step);
    const std::vector<float> logits = decoding->logits();
    found.insert(found.end(), logits.begin(), logits.end());
    const auto begin = static_cast<int64_t>(wanted.size());
    for (int64_t row = 0; row < expected.rows; ++row) {
      const auto at = all.begin() + (row * length + expected.length + step - 2) * width;
      wanted.insert(wanted.end(), at, at + width);
      parted |= tokens[static_cast<size_t>((row + 1) * step - 1)] !=
                expected.new_tokens[static_cast<size_t>(row * expected.new_length + step - 1)];
    }
    if (setting.dtype == Dtype::f32) {
      const std::vector<float> of_step(wanted.begin() + begin, wanted.end());
      ASSERT_LE(relative_error(logits, of_step), bound) << "at token " << step;
    }
  }
  EXPECT_LE(relative_error(found, wanted), bound) << "over " << found.size() << " logits";
}

// Decoding the fixture's own tokens, whatever the model would have chosen: of each row a prompt, then its other tokens
// one by one, as if each had been the choice. All logits on the way are the truth's at those places.
inline void expect_forced_decoding(const std::string& name, const Setting& setting, double bound) {
  const Expected expected = read_expected(name);
  const int64_t rows = expected.rows, prompt = expected.length / 2, steps = expected.length - prompt;
  const auto column = [&](int64_t at) {
    std::vector<int32_t> tokens;
    for (int64_t row = 0; row < rows; ++row)
      tokens.push_back(expected.input_ids[static_cast<size_t>(row * expected.length + at)]);
    return tokens;
  };
  OpsOptions options;
  options.device = setting.device;
  options.dtype = setting.dtype;
  options.threads = setting.threads;
  const auto ops = make_ops(options);
  const Model model = open_model(fixture_directory(name).string(), "auto", 0);
  Transformer transformer(*ops, model, {.rows = rows, .seq_len = prompt, .max_new_tokens = steps});
  transformer.tune();
  const auto prefill = ops->record([&] { transformer.prefill(); }, "prefill");
  const auto decode = ops->record([&] { transformer.decode(); }, "decode");
  ops->poison();
  std::vector<int32_t> prompts;
  for (int64_t row = 0; row < rows; ++row) {
    const auto begin = expected.input_ids.begin() + row * expected.length;
    prompts.insert(prompts.end(), begin, begin + prompt);
  }
  ops->write(transformer.input(), prompts);
  std::vector<float> found, wanted;
  for (int64_t at = prompt - 1; at < expected.length; ++at) {
    Program& program = at == prompt - 1 ? *prefill : *decode;
    if (at >= prompt) ops->write(transformer.last_tokens(), column(at));
    program.launch();
    program.wait();
    const std::vector<float> logits = ops->read(transformer.logits());
    const auto padded = static_cast<int64_t>(logits.size()) / rows;
    for (int64_t row = 0; row < rows; ++row) {
      found.insert(found.end(), logits.begin() + row * padded, logits.begin() + row * padded + expected.width);
      const auto truth = expected.output.begin() + (row * expected.length + at) * expected.width;
      wanted.insert(wanted.end(), truth, truth + expected.width);
    }
  }
  EXPECT_LE(relative_error(found, wanted), bound);
}

// A row says the same alone as in its batch.
inline void expect_rows_are_independent(const std::string& name, const Setting& setting, double bound) {
  const Expected expected = read_expected(name);
  const auto batch = engine_for(name, setting, expected.rows, expected.length);
  const auto single = engine_for(name, setting, 1, expected.length);
  const std::vector<float> all = forward(*batch, expected.input_ids, expected.rows);
  const auto size = static_cast<int64_t>(all.size()) / expected.rows;
  for (int64_t row = 0; row < expected.rows; ++row) {
    const auto ids = expected.input_ids.begin() + row * expected.length;
    const auto part = all.begin() + row * size;
    EXPECT_LE(relative_error(forward(*single, {ids, ids + expected.length}, 1), {part, part + size}), bound);
  }
}

// A dry run counts exactly what is then taken.
inline void expect_memory_as_counted(const std::string& name, const Setting& setting, int64_t max_new_tokens) {
  const Model model = open_model(fixture_directory(name).string(), "auto", 0);
  const auto count = [&](bool dry_run) {
    OpsOptions options;
    options.device = setting.device;
    options.dtype = setting.dtype;
    options.threads = setting.threads;
    options.dry_run = dry_run;
    const auto ops = make_ops(options);
    Transformer transformer(*ops, model, {.rows = 2, .seq_len = 9, .max_new_tokens = max_new_tokens});
    if (max_new_tokens > 0) {
      ops->record([&] { transformer.prefill(); }, "prefill");
      ops->record([&] { transformer.decode(); }, "decode");
    } else {
      ops->record([&] { transformer.forward(); }, "forward");
    }
    return ops->memory();
  };
  const MemoryNeed counted = count(true), taken = count(false);
  EXPECT_EQ(counted.weights_bytes, taken.weights_bytes);
  EXPECT_EQ(counted.activation_bytes, taken.activation_bytes);
}

}  // namespace cotenant::truth
