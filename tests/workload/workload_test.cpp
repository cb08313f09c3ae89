#include "workload/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include "base/error.h"
#include "workload/trace.h"

namespace cotenant {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::shared_ptr<const Trace> small_trace() {
  auto trace = std::make_shared<Trace>();
  trace->requests = {{0, 100, 7}, {kSecond, 50, 3}, {kSecond, 200, 9}, {4 * kSecond, 10, 1}};
  trace->longest_prompt = 200;
  trace->longest_answer = 9;
  trace->longest_gap_s = 3;
  return trace;
}

TEST(ClosedLoop, KeepsSoManyInFlightAndThinks) {
  Workload workload({.arrivals = ClosedLoop{.concurrency = 2, .think_s = 0.5}}, 100);
  EXPECT_FALSE(workload.open());
  EXPECT_EQ(workload.next()->due_ns, 100);
  EXPECT_EQ(workload.next()->iter, 0);
  workload.sent();
  EXPECT_EQ(workload.next()->due_ns, 100);
  workload.sent();
  EXPECT_FALSE(workload.next());
  workload.ended(2 * kSecond);
  EXPECT_EQ(workload.next()->due_ns, 2 * kSecond + kSecond / 2);
  EXPECT_EQ(workload.next()->iter, 2);
  workload.ended(3 * kSecond);
  workload.sent();
  EXPECT_EQ(workload.next()->due_ns, 3 * kSecond + kSecond / 2);
  EXPECT_FALSE(workload.rejected(9 * kSecond));  // its clients wait
  EXPECT_FALSE(workload.over());
  EXPECT_EQ(workload.requests(), 3);
}

TEST(ClosedLoop, EndsAfterExactlySoMany) {
  Workload workload({.arrivals = ClosedLoop{.concurrency = 4}, .exactly = 3}, 0);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(workload.next());
    EXPECT_FALSE(workload.over());
    workload.sent();
  }
  EXPECT_TRUE(workload.over());
  workload.ended(5);
  EXPECT_FALSE(workload.next());
}

TEST(OpenWorkload, ALateSendMovesNothing) {
  Workload workload({.arrivals = constant_arrivals(1)}, 7 * kSecond);
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(workload.next()->due_ns, (7 + i) * kSecond);
    EXPECT_EQ(workload.next()->iter, i);
    workload.sent();
    workload.ended(1000 * kSecond);
  }
}

TEST(OpenWorkload, WhatIsDueWaitsInOrderAndBeyondTheQueueIsRejected) {
  Workload workload({.arrivals = constant_arrivals(1), .max_queue = 2}, 0);
  EXPECT_TRUE(workload.open());
  workload.sent();                               // request 0
  EXPECT_FALSE(workload.rejected(2 * kSecond));  // 1 and 2 wait
  EXPECT_EQ(workload.waiting(), 2u);
  EXPECT_EQ(workload.rejected(4 * kSecond)->iter, 3);
  const auto another = workload.rejected(4 * kSecond);
  EXPECT_EQ(another->iter, 4);
  EXPECT_EQ(another->due_ns, 4 * kSecond);
  EXPECT_FALSE(workload.rejected(4 * kSecond));
  EXPECT_EQ(workload.next()->iter, 1);
  EXPECT_EQ(workload.next()->due_ns, kSecond);
  workload.sent();
  EXPECT_FALSE(workload.rejected(5 * kSecond));  // 5 has taken its place
  workload.sent();
  workload.sent();
  EXPECT_EQ(workload.next()->iter, 6);
  EXPECT_EQ(workload.requests(), 6);  // 0, 1, 2, 5 sent; 3, 4 rejected
}

TEST(OpenWorkload, AQueueOfNoneRejectsWhateverFindsNoRoom) {
  Workload workload({.arrivals = constant_arrivals(1), .max_queue = 0, .exactly = 3}, 0);
  EXPECT_EQ(workload.rejected(kSecond)->iter, 0);
  EXPECT_EQ(workload.rejected(kSecond)->iter, 1);
  EXPECT_FALSE(workload.rejected(kSecond));
  workload.sent();
  EXPECT_TRUE(workload.over());
  EXPECT_EQ(workload.requests(), 3);
}

TEST(OpenWorkload, ReplaysATraceWithItsLengths) {
  Workload workload({.seq_len = TracedLength{}, .max_new_tokens = TracedLength{}, .arrivals = Replay{small_trace()}},
                    5);
  for (const auto& [due_ns, prompt, answer] : {std::tuple<int64_t, int, int>{5, 100, 7},
                                               {kSecond + 5, 50, 3},
                                               {kSecond + 5, 200, 9},
                                               {4 * kSecond + 5, 10, 1}}) {
    EXPECT_FALSE(workload.over());
    const auto request = workload.next();
    ASSERT_TRUE(request);
    EXPECT_EQ(request->due_ns, due_ns);
    EXPECT_EQ(request->seq_len, prompt);
    EXPECT_EQ(request->max_new_tokens, answer);
    workload.sent();
  }
  EXPECT_TRUE(workload.over());
}

TEST(Lengths, StayWithinTheirBoundsAndHaveTheirMoments) {
  constexpr int n = 200'000;
  const double sigma = sigma_of_cv(0.8);
  EXPECT_NEAR(sigma, std::sqrt(std::log(1.64)), 1e-15);
  Workload workload({.seq_len = UniformLength{.least = 10, .most = 30},
                     .max_new_tokens = LognormalLength{.mean = 500, .sigma = sigma, .least = 1, .most = 1 << 20},
                     .arrivals = poisson_arrivals(100),
                     .seed = 4},
                    0);
  double prompts = 0, answers = 0, squares = 0, logs = 0;
  int least = 1000, most = 0;
  for (int i = 0; i < n; ++i, workload.sent()) {
    const DueRequest request = *workload.next();
    least = std::min(least, request.seq_len);
    most = std::max(most, request.seq_len);
    prompts += request.seq_len;
    const double answer = request.max_new_tokens;
    answers += answer;
    squares += answer * answer;
    logs += std::log(answer);
  }
  EXPECT_EQ(least, 10);
  EXPECT_EQ(most, 30);
  EXPECT_NEAR(prompts / n, 20, 4 * std::sqrt((21 * 21 - 1) / 12.0 / n));
  const double mean = answers / n;
  EXPECT_NEAR(mean, 500, 4 * 0.8 * 500 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n - mean * mean) / mean, 0.8, 0.02);
  EXPECT_NEAR(logs / n, std::log(500) - sigma * sigma / 2, 4 * sigma / std::sqrt(n) + 0.001);  // whole tokens
}

// The truth: Python's Decimal with 60 digits; see draws_test.cpp.
TEST(Lengths, AreTheSameOnEveryMachine) {
  const LognormalLength law{.mean = 512, .sigma = 1, .least = 16, .most = 2048};
  Workload workload({.seq_len = UniformLength{.least = 10, .most = 1000}, .max_new_tokens = law, .seed = 42}, 0);
  for (const auto& [prompt, answer] :
       {std::pair{183, 44}, {507, 314}, {730, 385}, {229, 2048}, {618, 22}, {989, 82}, {837, 563}, {234, 686}}) {
    EXPECT_EQ(workload.next()->seq_len, prompt);
    EXPECT_EQ(workload.next()->max_new_tokens, answer);
    workload.sent();
    workload.ended(0);
  }
  // Which lengths there are depends neither on when requests are sent nor on the other lengths.
  Workload other({.seq_len = 5, .max_new_tokens = law, .arrivals = poisson_arrivals(3), .seed = 42}, 9);
  EXPECT_EQ(other.next()->max_new_tokens, 44);
}

TEST(WorkloadSpec, KnowsItsLongestRequest) {
  const DueRequest fixed = longest_request({.rows = 8, .seq_len = 128, .max_new_tokens = 16});
  EXPECT_EQ(fixed.tokens_in(), 1024);
  EXPECT_EQ(fixed.max_new_tokens, 16);
  const DueRequest traced =
      longest_request({.seq_len = TracedLength{}, .max_new_tokens = TracedLength{}, .arrivals = Replay{small_trace()}});
  EXPECT_EQ(traced.seq_len, 200);
  EXPECT_EQ(traced.max_new_tokens, 9);
  EXPECT_EQ(longest_request({.seq_len = UniformLength{.least = 1, .most = 77}}).seq_len, 77);
}

TEST(WorkloadSpec, PatienceCoversTheGapsThatItHasItself) {
  EXPECT_EQ(patience_s({}, 10), 10);
  EXPECT_EQ(patience_s({.period_ms = 2000}, 10), 12);
  EXPECT_EQ(patience_s({.arrivals = ClosedLoop{.concurrency = 2, .think_s = 3}}, 10), 13);
  EXPECT_EQ(patience_s({.arrivals = Replay{small_trace()}}, 10), 13);
  for (const double cv : {0.0, 0.5, 1.0, 3.0}) {
    const Arrivals slow = step_arrivals({{2, 10}, {0, 100}, {0.5, 10}}, cv);
    OpenInstants source(std::get<OpenLoop>(slow), 1);
    int64_t longest_ns = 0, before_ns = 0;
    for (int i = 0; i < 20'000; ++i) {
      const int64_t at_ns = *source.next_ns();
      longest_ns = std::max(longest_ns, at_ns - before_ns);
      before_ns = at_ns;
    }
    EXPECT_GT(patience_s({.arrivals = slow}, 0), static_cast<double>(longest_ns) * 1e-9) << cv;
  }
}

TEST(WorkloadSpec, PatienceIsFiniteWhateverTheRate) {
  EXPECT_EQ(patience_s({.arrivals = step_arrivals({{2, 10}, {0, 100}})}, 1), 11);
  EXPECT_LE(patience_s({.arrivals = constant_arrivals(1e-300)}, 1), 1e9 + 1);
  EXPECT_EQ(patience_s({.arrivals = ramp_arrivals(0, 10, 5)}, 0), 5 + 3);
}

TEST(WorkloadSpec, RefusesWhatNoGeneratorCanDo) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  std::vector<WorkloadSpec> bad;
  for (const double rate : {0.0, -1.0, 1e9, nan, infinity}) bad.push_back({.arrivals = constant_arrivals(rate)});
  for (const double cv : {-1.0, nan, 1e6}) bad.push_back({.arrivals = gamma_arrivals(1, cv)});
  bad.push_back({.arrivals = step_arrivals({})});
  bad.push_back({.arrivals = step_arrivals({{1, 0}, {2, 1}})});
  bad.push_back({.arrivals = step_arrivals({{1, -1}, {2, 1}})});
  bad.push_back({.arrivals = ramp_arrivals(0, 0, 10)});
  bad.push_back({.arrivals = ramp_arrivals(0, 10, nan)});
  bad.push_back({.arrivals = ClosedLoop{.concurrency = 0}});
  bad.push_back({.arrivals = ClosedLoop{.concurrency = 1, .think_s = -1}});
  bad.push_back({.arrivals = Replay{nullptr}});
  bad.push_back({.arrivals = Replay{std::make_shared<Trace>()}});
  bad.push_back({.seq_len = TracedLength{}});
  bad.push_back({.seq_len = 0});
  bad.push_back({.seq_len = UniformLength{.least = 9, .most = 8}});
  bad.push_back({.seq_len = UniformLength{.least = 0, .most = 8}});
  bad.push_back({.max_new_tokens = LognormalLength{.mean = nan, .sigma = 1, .least = 1, .most = 8}});
  bad.push_back({.max_new_tokens = LognormalLength{.mean = 10, .sigma = -1, .least = 1, .most = 8}});
  bad.push_back({.max_new_tokens = most_tokens_of_sequence + 1});
  bad.push_back({.max_queue = -1});
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_THROW(check(bad[i], "tenants[0].workload"), Error) << i;
  EXPECT_NO_THROW(check({}, ""));
  EXPECT_NO_THROW(check({.arrivals = ramp_arrivals(0, 10, 0)}, ""));
  EXPECT_NO_THROW(check({.arrivals = step_arrivals({{1, 1}, {0, 1}})}, ""));
}

}  // namespace
}  // namespace cotenant
