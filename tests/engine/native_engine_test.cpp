#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "allocations.h"
#include "base/error.h"
#include "truth.h"

// What the native engine reports and refuses. On the CPU, because every machine has one.
namespace cotenant {
namespace {

using namespace truth;
using testing::HasSubstr;

TEST(NativeEngine, ForwardReportsItsStartAndItsEnd) {
  const auto engine = engine_for("gpt2", {}, 2, 5);
  const std::vector<int32_t> tokens(10, 3);
  ASSERT_TRUE(engine->submit({.id = 42, .tokens = tokens, .rows = 2}));
  const auto progress = engine->step(now_ns());
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].status, Status::started);
  EXPECT_EQ(progress[1].status, Status::done);
  EXPECT_EQ(progress[1].id, 42u);
  EXPECT_LT(progress[0].at_ns, progress[1].at_ns);
  EXPECT_LT(progress[1].gpu_ms, 0);  // no device clock on a CPU
}

TEST(NativeEngine, GeneratingReportsATokenOfEachRowAStep) {
  const auto engine = engine_for("llama", {}, 2, 5, 3);
  const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  ASSERT_TRUE(engine->submit({.id = 9, .tokens = tokens, .rows = 2, .max_new_tokens = 3}));
  std::vector<std::vector<Progress>> steps;
  do {
    const auto progress = engine->step(now_ns());
    steps.emplace_back(progress.begin(), progress.end());
  } while (steps.back().back().status != Status::done);
  ASSERT_EQ(steps.size(), 3u);
  std::vector<std::vector<Status>> statuses;
  for (const auto& step : steps) {
    statuses.emplace_back();
    for (const Progress& progress : step) {
      EXPECT_EQ(progress.id, 9u);
      statuses.back().push_back(progress.status);
    }
  }
  const auto token = Status::token;
  EXPECT_THAT(statuses, testing::ElementsAre(std::vector{Status::started, token, token}, std::vector{token, token},
                                             std::vector{token, token, Status::done}));
  EXPECT_EQ(steps[1][0].row, 0);
  EXPECT_EQ(steps[1][1].row, 1);
  EXPECT_LT(steps[0][1].at_ns, steps[1][0].at_ns);  // the first token is told before the second is computed
}

TEST(NativeEngine, FewerTokensThanItWasMadeFor) {
  const Expected expected = read_expected("qwen2");
  const auto engine = engine_for("qwen2", {}, expected.rows, expected.length, 8);
  const auto first = generate(*engine, expected.input_ids, expected.rows, 1);
  EXPECT_THAT(first, testing::ElementsAre(expected.new_tokens[0], expected.new_tokens[48]));
}

TEST(NativeEngine, TakesOneRequestAtATime) {
  const auto engine = engine_for("gpt2", {}, 1, 2);
  const std::vector<int32_t> tokens{1, 2};
  EXPECT_TRUE(engine->submit({.tokens = tokens, .rows = 1}));
  EXPECT_FALSE(engine->submit({.tokens = tokens, .rows = 1}));
  engine->step(now_ns());
  EXPECT_TRUE(engine->submit({.tokens = tokens, .rows = 1}));
}

TEST(NativeEngine, ReturnsEmptyHandedWhenItHasNothingToDo) {
  const auto engine = engine_for("gpt2", {}, 1, 2);
  const int64_t until_ns = now_ns() + 3'000'000;
  EXPECT_TRUE(engine->step(until_ns).empty());
  EXPECT_GE(now_ns(), until_ns);
}

TEST(NativeEngine, RequestOfAnotherShapeIsADefect) {
  const auto engine = engine_for("gpt2", {}, 1, 2);
  const std::vector<int32_t> tokens{1, 2, 3};
  EXPECT_THROW(engine->submit({.tokens = tokens, .rows = 1}), Error);
}

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    return e.what();
  }
  return "no error";
}

TEST(NativeEngine, SequenceBeyondTheModelsPositions) {
  EXPECT_THAT(error_of([] { engine_for("bert_float16", {}, 1, 25); }), HasSubstr("25"));
  EXPECT_THAT(error_of([] { engine_for("gpt2", {}, 1, 75, 6); }), HasSubstr("max_new_tokens"));
  EXPECT_EQ(error_of([] { engine_for("gpt2", {}, 1, 74, 6); }), "no error");
}

TEST(NativeEngine, EncoderThatShouldGenerate) {
  EXPECT_THAT(error_of([] { engine_for("distilbert", {}, 1, 4, 4); }), HasSubstr("encoder"));
}

TEST(NativeEngine, CudaWhereThereIsNone) {
  if (cuda_status().problem.empty()) GTEST_SKIP() << "this machine has a CUDA device";
  EXPECT_NE(error_of([] { engine_for("gpt2", {.device = "cuda"}, 1, 4); }), "no error");
}

TEST(NativeEngine, NeedsWhatTheModelAndItsLogitsTake) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model("distilgpt2", "random", 0));
  options.rows = 8;
  options.seq_len = 128;
  options.threads = test_threads;
  const MemoryNeed need = *make_engine(options)->memory_needed();
  const double weights = 4.0 * static_cast<double>(parameter_count(options.model->spec) + 50257 * 768);  // head apart
  EXPECT_NEAR(static_cast<double>(need.weights_bytes), weights, 0.01 * weights);
  EXPECT_GT(need.activation_bytes, 4u * 8 * 128 * 50257);
}

TEST(AllocationCounter, SeesAnAllocation) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer owns the allocator";
  const AllocationCounter counter;
  const std::vector<int> kept(1000);
  EXPECT_EQ(counter.count(), 1u);
  EXPECT_GE(counter.bytes_kept(), 4000);
}

TEST(NativeEngine, StepsAllocateNothing) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer owns the allocator";
  for (const int64_t new_tokens : {0, 6}) {
    const auto engine = engine_for("qwen3", {}, 2, 7, new_tokens);
    const std::vector<int32_t> tokens(14, 5);
    const auto request = [&] {
      engine->submit({.tokens = tokens, .rows = 2, .max_new_tokens = static_cast<int>(new_tokens)});
      for (int64_t step = 0; step < std::max<int64_t>(1, new_tokens); ++step) engine->step(now_ns());
    };
    request();
    const AllocationCounter counter;
    request();
    request();
    EXPECT_EQ(counter.count(), 0u) << (new_tokens ? "generate" : "forward");
    EXPECT_EQ(counter.bytes_kept(), 0);
  }
}

}  // namespace
}  // namespace cotenant
