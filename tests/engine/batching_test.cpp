#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "allocations.h"
#include "base/error.h"
#include "batching_truth.h"

// Continuous and dynamic batching of the native engine on the CPU.
namespace cotenant {
namespace {

using namespace truth;

class ContinuousBatching : public testing::TestWithParam<std::string> {};

TEST_P(ContinuousBatching, AnswersAreThoseOfEachRequestAlone) {
  const Agreement agreement = agreement_with_alone(GetParam(), {}, {{3, 0, 0}, {4, 5, 2}});
  EXPECT_EQ(agreement.answers, agreement.requests);
}

INSTANTIATE_TEST_SUITE_P(Fixtures, ContinuousBatching, testing::ValuesIn(decoder_names()),
                         [](const auto& of) { return of.param; });

// Transformers' tokens, of all rows of the fixture at once.
TEST(ContinuousEngine, TokensAreTransformers) {
  const Expected expected = read_expected("llama");
  EngineOptions options = options_for("llama", {});
  options.seq_len = static_cast<int>(expected.length);
  options.max_new_tokens = static_cast<int>(expected.new_length);
  options.slots = static_cast<int>(expected.rows);
  const auto engine = warm_engine<ContinuousEngine>(options);
  std::vector<Asked> requests;
  for (int64_t row = 0; row < expected.rows; ++row) {
    const auto begin = expected.input_ids.begin() + row * expected.length;
    requests.push_back({{begin, begin + expected.length}, options.max_new_tokens});
  }
  std::vector<int32_t> all;
  for (const auto& [id, answer] : answers_of(*engine, requests, 0)) all.insert(all.end(), answer.begin(), answer.end());
  EXPECT_EQ(all, expected.new_tokens);
}

EngineOptions small_continuous() {
  EngineOptions options = options_for("gpt2", {});
  options.seq_len = 6;
  options.max_new_tokens = 4;
  options.slots = 2;
  return options;
}

TEST(ContinuousEngine, RefusesMoreThanItHasSlots) {
  const auto engine = warm_engine<ContinuousEngine>(small_continuous());
  EXPECT_EQ(engine->capacity(), 2);
  const std::vector<int32_t> tokens{1, 2, 3};
  const Request request{.id = 1, .tokens = tokens, .rows = 1, .seq_len = 3, .max_new_tokens = 2};
  EXPECT_TRUE(engine->submit(request));
  EXPECT_TRUE(engine->submit({.id = 2, .tokens = tokens, .rows = 1, .seq_len = 3, .max_new_tokens = 2}));
  EXPECT_FALSE(engine->submit({.id = 3, .tokens = tokens, .rows = 1, .seq_len = 3, .max_new_tokens = 2}));
  std::vector<Status> of_first;
  for (int steps = 0; steps < 2; ++steps)
    for (const Progress& progress : engine->step(now_ns()))
      if (progress.id == 1) of_first.push_back(progress.status);
  EXPECT_THAT(of_first, testing::ElementsAre(Status::started, Status::token, Status::token, Status::done));
  EXPECT_TRUE(engine->submit(request));
}

TEST(ContinuousEngine, ReturnsEmptyHandedWhenItHasNothingToDo) {
  const auto engine = warm_engine<ContinuousEngine>(small_continuous());
  const int64_t until_ns = now_ns() + 3'000'000;
  EXPECT_TRUE(engine->step(until_ns).empty());
  EXPECT_GE(now_ns(), until_ns);
}

TEST(ContinuousEngine, RequestThatDoesNotFitIsADefect) {
  const auto engine = warm_engine<ContinuousEngine>(small_continuous());
  const std::vector<int32_t> tokens(7, 1);
  EXPECT_THROW(engine->submit({.tokens = tokens, .rows = 1, .seq_len = 7, .max_new_tokens = 1}), Error);
  EXPECT_THROW(engine->submit({.tokens = std::span(tokens).first(2), .rows = 1, .seq_len = 2, .max_new_tokens = 5}),
               Error);
  EXPECT_THROW(engine->submit({.tokens = std::span(tokens).first(4), .rows = 2, .seq_len = 2, .max_new_tokens = 1}),
               Error);
}

TEST(ContinuousEngine, AllocatesNothingWhileItServes) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer owns the allocator";
  const auto engine = warm_engine<ContinuousEngine>(small_continuous());
  const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 6};
  const auto serve = [&] {
    int done = 0;
    for (uint64_t sent = 0; done < 6;) {
      const auto length = static_cast<size_t>(1 + sent % 6);
      if (sent < 6 && engine->submit({.id = sent,
                                      .tokens = std::span(tokens).first(length),
                                      .rows = 1,
                                      .seq_len = static_cast<int>(length),
                                      .max_new_tokens = 1 + static_cast<int>(sent % 4)}))
        ++sent;
      for (const Progress& progress : engine->step(now_ns())) done += progress.status == Status::done;
    }
  };
  serve();
  const AllocationCounter counter;
  serve();
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(counter.bytes_kept(), 0);
}

EngineOptions small_dynamic(double max_wait_ms) {
  EngineOptions options = options_for("distilbert", {});
  options.rows = 3;
  options.seq_len = 5;
  options.max_wait_ms = max_wait_ms;
  return options;
}

const std::vector<int32_t> kThree{1, 2, 3, 4, 5, 9, 8, 7, 6, 5, 11, 12, 13, 14, 15};

Request one_of_three(uint64_t row, int64_t scheduled_ns) {
  return {.id = row,
          .tokens = std::span(kThree).subspan(row * 5, 5),
          .rows = 1,
          .seq_len = 5,
          .scheduled_ns = scheduled_ns};
}

TEST(DynamicEngine, AFullBatchDoesNotWait) {
  const auto engine = warm_engine<DynamicEngine>(small_dynamic(1e6));
  for (uint64_t row = 0; row < 3; ++row) ASSERT_TRUE(engine->submit(one_of_three(row, now_ns())));
  EXPECT_FALSE(engine->submit(one_of_three(0, now_ns())));
  const auto progress = engine->step(now_ns());
  ASSERT_EQ(progress.size(), 6u);  // waited and done
  for (size_t i = 3; i < 6; ++i) EXPECT_EQ(progress[i].status, Status::done);
  const auto alone = engine_for("distilbert", {}, 3, 5);
  EXPECT_LT(relative_error(engine->logits(), forward(*alone, kThree, 3)), 1e-6);
}

TEST(DynamicEngine, WaitsForNobodyWhenNobodyComes) {
  const auto engine = warm_engine<DynamicEngine>(small_dynamic(1e6));
  ASSERT_TRUE(engine->submit(one_of_three(0, now_ns())));
  EXPECT_TRUE(engine->step(now_ns()).empty());
  engine->flush();
  EXPECT_EQ(engine->step(now_ns()).size(), 2u);            // waited and done
  ASSERT_TRUE(engine->submit(one_of_three(1, now_ns())));  // somebody came after all, and others may
  EXPECT_TRUE(engine->step(now_ns()).empty());
}

TEST(DynamicEngine, TheFirstWaitsNoLongerThanItMay) {
  const auto engine = warm_engine<DynamicEngine>(small_dynamic(20));
  const int64_t scheduled_ns = now_ns() - 10'000'000;  // it waited elsewhere already
  ASSERT_TRUE(engine->submit(one_of_three(1, scheduled_ns)));
  EXPECT_TRUE(engine->step(now_ns() + 1'000'000).empty());  // time to look for more
  const auto progress = engine->step(now_ns() + 1'000'000'000);
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].status, Status::waited);
  EXPECT_GE(progress[0].at_ns, scheduled_ns + 20'000'000);
  const auto alone = engine_for("distilbert", {}, 1, 5);
  std::vector<float> first = engine->logits();
  const std::vector<float> wanted = forward(*alone, {kThree.begin() + 5, kThree.begin() + 10}, 1);
  first.resize(wanted.size());
  EXPECT_LT(relative_error(first, wanted), 1e-6);
}

TEST(DynamicEngine, AllocatesNothingWhileItServes) {
  if (!allocations_are_counted()) GTEST_SKIP() << "a sanitizer owns the allocator";
  const auto engine = warm_engine<DynamicEngine>(small_dynamic(0));
  const auto serve = [&] {
    for (const uint64_t requests : {1u, 3u, 2u}) {
      for (uint64_t row = 0; row < requests; ++row) ASSERT_TRUE(engine->submit(one_of_three(row, now_ns())));
      EXPECT_EQ(engine->step(now_ns()).size(), 2 * requests);
    }
  };
  serve();
  const AllocationCounter counter;
  serve();
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(counter.bytes_kept(), 0);
}

}  // namespace
}  // namespace cotenant
