#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "command.h"
#include "places.h"

// Tenants of the native engine whose requests share passes, in whole runs.
namespace cotenant {
namespace {

std::string of_fixture(const std::string& model, const std::string& keys) {
  return "experiment_name: shared\ndevice: cpu\ncorun: fixed\nwarmup_s: 0\ntenants:\n  - {name: a, model_name: " +
         std::string(source_dir()) + "/tests/fixtures/models/" + model + ", num_warmup: 1, " + keys + "}\n";
}

TEST_F(DriverTest, RequestsOfDifferentLengthsShareSlots) {
  write("shared.yaml",
        of_fixture("llama",
                   "task: generate, batch_size: 1, slots: 3, num_iters: 80, workload: {kind: poisson, rate: 2000, "
                   "input_tokens: {kind: uniform, least: 2, most: 12}, "
                   "output_tokens: {kind: uniform, least: 1, most: 9}}"));
  const Finished finished = run("run shared.yaml");
  ASSERT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;  // 4: a busy machine, sent late
  const ExperimentRecord record = this->record("data/shared");
  EXPECT_EQ(record.tenants.at(0).native()->slots, 3);
  EXPECT_EQ(record.tenants[0].seq_len, 12);
  EXPECT_EQ(record.tenants[0].summary.completed, 80);
  auto samples = iterations("data/shared", "a");
  ASSERT_EQ(samples.size(), 80u);
  std::set<int64_t> in, out;
  for (const Iteration& sample : samples) {
    in.insert(sample.tokens_in.value());
    out.insert(sample.tokens_out.value());
    EXPECT_EQ(static_cast<int64_t>(sample.token_s.size()), *sample.tokens_out);
    EXPECT_GE(*sample.start_s, *sample.scheduled_s);
    const auto beside = std::ranges::count_if(samples, [&](const Iteration& other) {
      return *other.start_s <= *sample.start_s && *sample.start_s < *other.end_s;
    });
    EXPECT_LE(beside, 3) << "requests in flight when request " << sample.iter << " began";
  }
  EXPECT_THAT(in, testing::AllOf(testing::SizeIs(testing::Gt(5)),
                                 testing::Each(testing::AllOf(testing::Ge(2), testing::Le(12)))));
  EXPECT_THAT(out, testing::AllOf(testing::SizeIs(testing::Gt(4)),
                                  testing::Each(testing::AllOf(testing::Ge(1), testing::Le(9)))));
  std::ranges::sort(samples, {}, &Iteration::iter);
  for (size_t i = 1; i < samples.size(); ++i)  // first come, first served
    EXPECT_LE(*samples[i - 1].start_s, *samples[i].start_s);
}

TEST_F(DriverTest, RequestsWaitForABatchNoLongerThanTheyMay) {
  write("shared.yaml", of_fixture("distilbert",
                                  "batch_size: 4, seq_len: 6, max_wait_ms: 20, num_iters: 60, "
                                  "workload: {kind: poisson, rate: 150}"));
  const Finished finished = run("run shared.yaml");
  ASSERT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  std::map<double, std::vector<Iteration>> passes;  // by their end
  for (const Iteration& sample : iterations("data/shared", "a")) {
    EXPECT_EQ(sample.tokens_in, 6);
    passes[*sample.end_s].push_back(sample);
  }
  size_t requests = 0;
  for (const auto& [end_s, together] : passes) {
    requests += together.size();
    EXPECT_LE(together.size(), 4u);
    double first_s = *together.front().scheduled_s;
    for (const Iteration& one : together) {
      first_s = std::min(first_s, *one.scheduled_s);
      EXPECT_EQ(one.start_s, together.front().start_s);  // its wait is queue time
    }
    if (together.size() < 4) {
      EXPECT_GE(*together.front().start_s, first_s + 0.020);
    }
  }
  EXPECT_EQ(requests, 60u);
  EXPECT_LT(passes.size(), 60u);
}

// Each would wait for a minute otherwise: the requests of the warm-up, which come one by one, and those that are there
// when the run ends.
TEST_F(DriverTest, NobodyWaitsForABatchInTheWarmUpOrAfterTheStop) {
  write("shared.yaml",
        "experiment_name: shared\ndevice: cpu\nwarmup_s: 0\nmin_duration_s: 0.2\ntenants:\n"
        "  - {name: a, model_name: " +
            std::string(source_dir()) +
            "/tests/fixtures/models/distilbert, "
            "num_warmup: 3, batch_size: 4, seq_len: 6, max_wait_ms: 60000, num_iters: 5, "
            "workload: {kind: constant, rate: 100}}\n");
  const Finished finished = run("run shared.yaml");
  ASSERT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  const auto samples = iterations("data/shared", "a");
  EXPECT_GE(samples.size(), 5u);
  for (const Iteration& sample : samples) {
    EXPECT_LT(sample.latency_ms, 30'000);
  }
}

}  // namespace
}  // namespace cotenant
