#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
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

// 4 ms each and one every 2 ms: request k waits 2k ms at least, so that the first 29 make 60 ms at best.
TEST_F(DriverTest, CountsWhatMetItsObjectivesAndFailsWhereTooFewDid) {
  const auto with_percentile = [](const std::string& percentile) {
    std::string text = experiment("{kind: constant, rate: 500}");
    return text.insert(text.rfind('}'), ", slo: {latency_ms: 60" + percentile + "}");
  };
  write("slo.yaml", with_percentile(""));
  EXPECT_NE(run("run slo.yaml").status.code, 5);  // nothing is asked for
  write("slo.yaml", with_percentile(", percentile: 90"));
  const Finished finished = run("run slo.yaml");
  const ExperimentRecord record = this->record("data/open");
  ASSERT_TRUE(record.tenants.at(0).attainment);
  const AttainmentRecord& attainment = *record.tenants[0].attainment;
  EXPECT_EQ(finished.status.code, record.validity.valid ? 5 : 4) << finished.err;
  const std::string missed = "requests of a met its objectives (latency_ms 60), and slo.percentile asks for 90%";
  EXPECT_THAT(finished.err, HasSubstr(missed));
  int64_t met = 0, ended = 0;
  const auto samples = iterations("data/open", "a");
  for (const Iteration& sample : samples) {
    if (*sample.start_s < record.window->start_s || *sample.end_s > record.window->end_s) continue;
    ++ended;
    met += sample.latency_ms <= 60;
  }
  EXPECT_EQ(attainment.requests, ended);
  EXPECT_EQ(attainment.met, met);
  EXPECT_GT(met, 0);
  EXPECT_LE(met, 29);
  EXPECT_NEAR(*attainment.goodput_requests_per_s, static_cast<double>(met) / record.window->duration_s(), 1e-9);
  const auto analysis = nlohmann::json::parse(run("analyze data/open --json").out);
  EXPECT_NEAR(analysis["tenants"][0]["attainment"].get<double>(), static_cast<double>(met) / static_cast<double>(ended),
              1e-12);
  EXPECT_NEAR(analysis["tenants"][0]["goodput_requests_per_s"].get<double>(), *attainment.goodput_requests_per_s, 1e-9);

  // What is there already ended as it did; and what failed a threshold is a result like any other.
  EXPECT_EQ(run("run slo.yaml --skip-existing").status.code, finished.status.code);
  // Of a run that is invalid besides (100 requests are few), both are told.
  const Finished invalid = run("run slo.yaml --strict --vary seed=1,2");
  EXPECT_EQ(invalid.status.code, 4) << invalid.err;
  EXPECT_THAT(invalid.err, HasSubstr(missed));
  EXPECT_THAT(invalid.out, HasSubstr("too few samples"));
  EXPECT_THAT(invalid.out, HasSubstr("invalid; a threshold was missed"));
  write("slo.yaml", with_percentile(", percentile: 0.001"));
  EXPECT_NE(run("run slo.yaml").status.code, 5);
}

// A server of 4 ms serves less than 250 requests/s, and a queue without a bound never makes it more.
TEST_F(DriverTest, FindsTheHighestRateThatMeetsTheObjectives) {
  std::string text = experiment("{kind: constant, rate: 150}, slo: {latency_ms: 60, percentile: 80}");
  write("rate.yaml", text);
  const Finished finished = run("run rate.yaml --find-max-rate a");
  EXPECT_THAT(finished.status.code, testing::AnyOf(0, 4)) << finished.err;
  if (finished.status.code == 0) {  // 4: a busy machine, on which requests were sent late at any rate
    const std::string said = finished.out.substr(finished.out.rfind("highest requests/s of a that meets"));
    const double highest = std::stod(said.substr(said.find(": ") + 2));
    const double above = std::stod(said.substr(said.find("; not ") + 6));
    EXPECT_LT(highest, 250) << said;
    EXPECT_LE(above / highest, 1.06) << said;
  }
  EXPECT_TRUE(std::filesystem::exists(at("data/open_rate_x1/experiment.json")));  // every point is kept

  EXPECT_THAT(run("run rate.yaml --find-max-rate b").err, HasSubstr("there is no tenant b"));
  EXPECT_THAT(run("run rate.yaml --find-max-rate all --no-save").err, HasSubstr("whose runs are kept"));
  write("rate.yaml", experiment("{kind: constant, rate: 150}"));
  EXPECT_THAT(run("run rate.yaml --find-max-rate all").err, HasSubstr("no tenant has objectives"));
  write("rate.yaml", experiment("{kind: ramp, to: 5, duration_s: 1}, slo: {latency_ms: 6}"));
  const Finished ramp = run("run rate.yaml --find-max-rate all");
  EXPECT_EQ(ramp.status.code, 2);
  EXPECT_THAT(ramp.err, HasSubstr("the rate of a changes by itself"));
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
