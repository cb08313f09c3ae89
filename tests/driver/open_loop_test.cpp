#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "command.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

std::string experiment(const std::string& workload, int num_iters = 40) {
  return "experiment_name: open\ndevice: cpu\nmin_duration_s: 0.3\nwarmup_s: 0\nmax_duration_s: 20\ntenants:\n"
         "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 4}, num_iters: " +
         std::to_string(num_iters) + ", workload: " + workload + "}\n";
}

bool says(const ExperimentRecord& record, const std::string& part) {
  return std::ranges::any_of(record.validity.warnings, [&](const WarningRecord& warning) {
    return warning.what.find(part) != std::string::npos;
  });
}

TEST_F(DriverTest, AnOpenLoopCountsFromItsScheduleAndSaysThatItsQueueGrew) {
  write("open.yaml", experiment("{kind: constant, rate: 500}"));
  const Finished finished = run("run open.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;  // 4: a busy machine, sent late
  const ExperimentRecord record = this->record("data/open");
  const TenantRecord& tenant = record.tenants.at(0);
  EXPECT_EQ(tenant.workload.kind, WorkloadKind::constant);
  ASSERT_TRUE(tenant.schedule);
  EXPECT_EQ(tenant.schedule->rejected, 0);
  EXPECT_GT(tenant.schedule->waiting, 0);
  EXPECT_EQ(tenant.schedule->offered, tenant.summary.completed + tenant.schedule->waiting);
  EXPECT_TRUE(says(record, "times as fast as it served them"));
  const auto samples = iterations("data/open", "a");
  ASSERT_GE(samples.size(), 40u);
  for (size_t i = 0; i < samples.size(); ++i) {
    EXPECT_NEAR(*samples[i].scheduled_s, *samples[0].scheduled_s + static_cast<double>(i) * 0.002, 1e-6);
    EXPECT_NEAR(samples[i].latency_ms, (*samples[i].end_s - *samples[i].scheduled_s) * 1e3, 1e-5);
    EXPECT_NEAR(samples[i].queue_ms.value(), (*samples[i].start_s - *samples[i].scheduled_s) * 1e3, 1e-5);
    EXPECT_GE(samples[i].latency_ms, 4 + 2 * static_cast<double>(i));  // 4 ms each, and one comes every 2 ms
  }
  const Finished analyzed = run("analyze data/open --json");
  EXPECT_EQ(analyzed.status.code, 0) << analyzed.err;
  EXPECT_THAT(analyzed.out, HasSubstr("\"queue_ms\": {"));
}

TEST_F(DriverTest, AFullQueueRejectsAndTheRunCountsIt) {
  write("open.yaml", "corun: fixed\n" + experiment("{kind: poisson, rate: 1000, max_queue: 2}", 100));
  const Finished finished = run("run open.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  const ExperimentRecord record = this->record("data/open");
  const TenantSummary& summary = record.tenants.at(0).summary;
  ASSERT_TRUE(record.tenants[0].schedule);
  EXPECT_GT(summary.rejected, 0);
  EXPECT_EQ(summary.rejected, record.tenants[0].schedule->rejected);
  EXPECT_EQ(summary.rejected + summary.completed, 100);
  EXPECT_EQ(iterations("data/open", "a").size(), 100u);
}

TEST_F(DriverTest, ReplaysATraceToItsEnd) {
  std::string trace = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n";
  for (int i = 0; i < 50; ++i)
    trace += "2024-05-10 00:00:0" + std::to_string(i / 10) + "." + std::to_string(i % 10) + "00000+00:00,10,2\r\n";
  write("trace.csv", trace);
  write("open.yaml", experiment("{kind: trace, path: trace.csv, speedup: 10}"));
  const Finished finished = run("run open.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  const auto samples = iterations("data/open", "a");
  ASSERT_GE(samples.size(), 40u);
  for (size_t i = 0; i < samples.size(); ++i)
    EXPECT_NEAR(*samples[i].scheduled_s, *samples[0].scheduled_s + static_cast<double>(i) * 0.01, 1e-6);

  write("long.yaml", experiment("{kind: trace, path: trace.csv}", 51));
  const Finished too_long = run("run long.yaml");
  EXPECT_EQ(too_long.status.code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("num_iters: expected at most 50, the requests of the trace; found 51"));
  write("trace.csv", trace + "soon,1,1\n");
  const Finished bad = run("run open.yaml");
  EXPECT_EQ(bad.status.code, 2);
  EXPECT_THAT(bad.err, HasSubstr("trace.csv:52"));
}

TEST_F(DriverTest, AWorkloadThatEndsHoldsNobodyUp) {
  write("open.yaml", experiment("{kind: steps, steps: [{rate: 100, duration_s: 0.2}, {rate: 0, duration_s: 1}]}") +
                         "  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 20}\n");
  const Finished finished = run("run open.yaml");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  const ExperimentRecord record = this->record("data/open");
  EXPECT_LT(record.tenants[0].summary.completed, 40);
  EXPECT_LT(record.phases.back().end_s - record.phases.front().start_s, 15);  // max_duration_s is 20
}

TEST_F(DriverTest, ClientsOfAClosedLoopThink) {
  write("open.yaml", experiment("{kind: closed, concurrency: 3, think_s: 0.002}"));
  const Finished finished = run("run open.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const auto samples = iterations("data/open", "a");
  ASSERT_GE(samples.size(), 40u);
  // Two others wait for the engine, which takes one at a time: a client's own wait counts.
  EXPECT_GE(samples[2].latency_ms, 12);
  EXPECT_FALSE(samples[2].queue_ms);
  EXPECT_FALSE(record("data/open").tenants[0].schedule);
}

}  // namespace
}  // namespace cotenant
