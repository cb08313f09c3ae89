#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "analysis/analysis.h"
#include "analysis/telemetry.h"
#include "made_experiment.h"

namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// What counters read of workloads of each kind.
TelemetryMeans reading(double sm_percent, double tensor_percent, double dram_percent) {
  TelemetryMeans means;
  means.samples = 20;
  means.sm_percent = sm_percent;
  means.tensor_percent = tensor_percent;
  means.dram_percent = dram_percent;
  return means;
}

TEST(BoundAlone, OfWorkloadsOfEachKind) {
  const Bound product = bound_alone(reading(85, 82, 23), 1);  // a large product
  EXPECT_EQ(product.by, "compute");
  EXPECT_EQ(product.reason, "tensor cores 82% busy (at least 60%)");
  const Bound decode = bound_alone(reading(90, 12, 74), 2);  // its SMs wait for memory, which keeps them busy
  EXPECT_EQ(decode.by, "memory");
  EXPECT_EQ(decode.reason, "DRAM 74% busy (at least 60%)");
  EXPECT_EQ(bound_alone(reading(88, 0, 20), 1).by, "compute");  // arithmetic without tensor cores
  const Bound launches = bound_alone(reading(25, 3, 4), 55);
  EXPECT_EQ(launches.by, "host");
  EXPECT_EQ(launches.reason, "55% of the latency is spent outside of the device (at least 30%)");
  const Bound chain = bound_alone(reading(25, 3, 4), 5);  // small kernels one after another in one graph
  EXPECT_EQ(chain.by, "latency");
  EXPECT_THAT(chain.reason, HasSubstr("SMs 25% busy (less than 80%), tensor cores 3% busy (less than 60%), DRAM 4%"));
  EXPECT_THAT(chain.reason, HasSubstr("5% of the latency is spent outside of the device (less than 30%)"));
}

TEST(BoundAlone, NeedsCountersOrTheHostsShare) {
  TelemetryMeans none;
  EXPECT_EQ(bound_alone(none, 5).by, "");
  EXPECT_THAT(bound_alone(none, 5).reason, HasSubstr("no sample"));
  EXPECT_EQ(bound_alone(none, 40).by, "host");
  none.samples = 9;
  EXPECT_THAT(bound_alone(none, {}).reason, HasSubstr("no counters"));
  none.on_cpu = true;
  EXPECT_THAT(bound_alone(none, {}).reason, HasSubstr("the CPU has no counters"));
}

TEST(BoundOfTheDevice, IsTheHostOnlyWhereSmsIdle) {
  EXPECT_EQ(bound_of_device(reading(70, 20, 30), 60).by, "latency");  // its tenants wait for each other
  EXPECT_EQ(bound_of_device(reading(85, 82, 23), 60).by, "compute");
  EXPECT_EQ(bound_of_device(reading(30, 5, 5), 60).by, "host");
  EXPECT_THAT(bound_of_device(reading(30, 5, 5), 60).reason, HasSubstr("SMs 30% busy (less than 50%), and 60%"));
  EXPECT_EQ(bound_of_device(reading(30, 5, 5), {}).by, "host");
  EXPECT_EQ(bound_of_device(reading(30, 5, 5), 4).by, "latency");
}

TEST(HostShare, IsOfTheIterationsThatCountAndHaveBoth) {
  Samples samples;
  samples.latency_ms = {10, 20, 1000, 70};
  samples.gpu_ms = {6, 9, 1000, std::nan("")};
  samples.counts = {1, 1, 0, 1};
  EXPECT_NEAR(*host_share_percent(samples), 50, 1e-12);
  EXPECT_FALSE(host_share_percent(Samples{}));
}

MadeTenant made(const std::string& name, double latency_ms = 2, const std::string& model = "distilgpt2") {
  MadeTenant tenant;
  tenant.name = name;
  tenant.model = model;
  tenant.latency_ms = latency_ms;
  return tenant;
}

class BoundOfFiles : public DataRoot {
 protected:
  ExperimentAnalysis analyze(const std::string& name) {
    AnalysisRequest request;
    request.directory = root_ / name;
    return analyze_experiment(request);
  }
};

MadeTenant on_gpu(const std::string& name, double latency_ms, double gpu_share, const std::string& model) {
  MadeTenant tenant = made(name, latency_ms, model);
  tenant.iterations = static_cast<int>(4000 / latency_ms);
  tenant.change_iteration = [gpu_share](Iteration& i) { i.gpu_ms = i.latency_ms * gpu_share; };
  return tenant;
}

void on_cuda(ExperimentRecord& record) {
  record.settings.device = "cuda:0";
  record.device().name = "Test GPU";
}

std::string telemetry(double clock_mhz, double sm, double tensor, double dram, bool throttled = false) {
  std::string text;
  for (int i = 0; i < 10; ++i)
    text += fmt::format(
        "{{\"t_s\":{},\"sm_clock_mhz\":{},\"sm_percent\":{},\"tensor_percent\":{},\"dram_percent\":{}{}}}\n", 0.3 * i,
        clock_mhz, sm, tensor, dram, throttled ? ",\"throttle_reasons\":\"power cap\"" : "");
  return text;
}

// One tenant is bound by memory and the other by the host; together they slow down, partly because the clock falls.
TEST_F(BoundOfFiles, ComesFromEachBaselineAndContentionBesideIt) {
  make_experiment(root_ / "mix", {on_gpu("big", 30, 0.9, "mistral"), on_gpu("small", 2.2, 0.9, "gpt")}, on_cuda);
  write_text(root_ / "mix" / "telemetry.jsonl", telemetry(1440, 92, 30, 55));
  const auto baselines = root_ / "mix" / "baselines";
  make_experiment(baselines / "mistral", {on_gpu("big", 20, 0.95, "mistral")}, on_cuda);
  write_text(baselines / "mistral" / "telemetry.jsonl", telemetry(1600, 90, 20, 72, true));
  make_experiment(baselines / "gpt", {on_gpu("small", 2, 0.4, "gpt")}, on_cuda);
  write_text(baselines / "gpt" / "telemetry.jsonl", telemetry(1600, 20, 5, 10));
  const ExperimentAnalysis found = analyze("mix");
  const TenantAnalysis &big = found.tenants[0], &small = found.tenants[1];
  EXPECT_EQ(big.bound, "memory");
  EXPECT_THAT(big.bound_reason, HasSubstr("DRAM 72%"));
  EXPECT_EQ(small.bound, "host");
  EXPECT_THAT(small.bound_reason, HasSubstr("60% of the latency"));
  EXPECT_NEAR(*big.contention_ms, 10, 1e-9);
  EXPECT_NEAR(*small.contention_ms, 0.2, 1e-9);
  EXPECT_NEAR(*big.clock_ratio, 0.9, 1e-12);
  EXPECT_NEAR(*big.baseline->sm_clock_mhz, 1600, 1e-9);
  EXPECT_EQ(big.baseline->throttled_samples, 10u);
  EXPECT_EQ(found.device.bound, "compute");
  // 1 / 0.9 = 1.11: all of the small one's 1.10, and a part of the big one's 1.50.
  EXPECT_THAT(found.warnings, Contains(testing::AllOf(HasSubstr("small: the mean SM clock was 1440 MHz shared and 1600 "
                                                                "MHz alone (0.90x)"),
                                                      HasSubstr("no contention"))));
  EXPECT_THAT(found.warnings, Contains(testing::AllOf(HasSubstr("big: the mean SM clock"), HasSubstr("that part"))));
  EXPECT_THAT(found.warnings, Not(Contains(testing::AllOf(HasSubstr("big: the mean SM"), HasSubstr("no contention")))));
  EXPECT_THAT(found.warnings, Contains(HasSubstr("big: alone, the device was throttled in 10 of 10")));
}

TEST_F(BoundOfFiles, IsASingleTenantsOwn) {
  make_experiment(root_ / "solo", {on_gpu("a", 4, 0.98, "m")}, on_cuda);
  write_text(root_ / "solo" / "telemetry.jsonl", telemetry(1500, 85, 82, 23));
  const ExperimentAnalysis found = analyze("solo");
  EXPECT_EQ(found.tenants[0].bound, "compute");
  EXPECT_EQ(found.device.bound, "compute");
  EXPECT_FALSE(found.tenants[0].clock_ratio);
  EXPECT_FALSE(found.tenants[0].contention_ms);
}

TEST_F(BoundOfFiles, IsUnknownWithAReason) {
  make_experiment(root_ / "pair", {MadeTenant{}, made("b")});
  EXPECT_EQ(analyze("pair").tenants[0].bound, "");
  EXPECT_THAT(analyze("pair").tenants[0].bound_reason, HasSubstr("run alone is not known"));
  make_experiment(root_ / "pair" / "baselines" / "kind", {MadeTenant{}});
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_EQ(found.tenants[0].bound, "");
  EXPECT_THAT(found.tenants[0].bound_reason, HasSubstr("the CPU has no counters"));
  EXPECT_THAT(found.warnings, Not(Contains(HasSubstr("SM clock"))));
}

TEST_F(BoundOfFiles, ClocksOfExperimentJsonServeWhereTelemetryHasNone) {
  const auto clock = [](double mhz) { return [mhz](ExperimentRecord& record) { record.device().sm_clock_mhz = mhz; }; };
  make_experiment(root_ / "pair", {MadeTenant{}, made("b")}, clock(1500));
  make_experiment(root_ / "pair" / "baselines" / "kind", {MadeTenant{}}, clock(1200));
  EXPECT_NEAR(*analyze("pair").tenants[1].clock_ratio, 1.25, 1e-12);
  EXPECT_THAT(analyze("pair").warnings, Contains(HasSubstr("at equal clocks the slowdown would be greater")));
}

// The clock is lower, and nobody is slower by the median; but waits are, which is no matter of clocks.
TEST_F(BoundOfFiles, AClockExplainsNoWaits) {
  const auto clock = [](double mhz) { return [mhz](ExperimentRecord& record) { record.device().sm_clock_mhz = mhz; }; };
  MadeTenant waits = made("waits");
  waits.change_iteration = [](Iteration& i) { i.latency_ms += i.iter % 4 == 0 ? 30 : 0; };
  make_experiment(root_ / "pair", {waits, made("same")}, clock(900));
  make_experiment(root_ / "pair" / "baselines" / "kind", {made("a")}, clock(1000));
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_THAT(found.warnings, Contains(testing::StartsWith("waits: the mean SM clock was 900 MHz shared and 1000 MHz "
                                                           "alone (0.90x), which by itself makes work up to 1.11x "
                                                           "slower: that part")));
  EXPECT_THAT(found.warnings, Contains("same: the mean SM clock was 900 MHz shared and 1000 MHz alone (0.90x)."));
}

// One request in four waits for 30 ms: the median is as alone.
TEST_F(BoundOfFiles, AMedianThatHidesWaitsIsWarnedOf) {
  MadeTenant shared = made("a");
  shared.change_iteration = [](Iteration& i) {
    if (i.iter % 4 == 0) i.latency_ms += 30;
  };
  make_experiment(root_ / "pair", {shared, made("b")});
  make_experiment(root_ / "pair" / "baselines" / "kind", {made("a")});
  const ExperimentAnalysis found = analyze("pair");
  EXPECT_THAT(found.warnings, Contains(testing::AllOf(HasSubstr("the median hides waits of a ("),
                                                      HasSubstr("by the mean"), Not(HasSubstr("b (")))));
}

// Rates of 500, 400 and 250 a second: a pair of one work and one alone in its own.
TEST_F(BoundOfFiles, WorkRatesOfEqualTenantsAreCompared) {
  const MadeTenant a = made("a"), b = made("b", 2.5), other = made("other", 4, "roberta-large");
  make_experiment(root_ / "mix", {a, b, other});
  const ExperimentAnalysis found = analyze("mix");
  ASSERT_EQ(found.rate_spreads.size(), 1u);
  EXPECT_EQ(found.rate_spreads[0].tenants, 2u);
  EXPECT_EQ(found.rate_spreads[0].fastest, 0u);
  EXPECT_EQ(found.rate_spreads[0].slowest, 1u);
  EXPECT_NEAR(found.rate_spreads[0].max_min_ratio, 1.25, 1e-3);
  EXPECT_EQ(found.rate_spreads[0].work, "distilgpt2, batch 8 x 128");
}

}  // namespace
}  // namespace cotenant
