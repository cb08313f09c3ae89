#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/compare.h"
#include "analysis/telemetry.h"
#include "made_experiment.h"

// Experiments whose tenants are on several devices.
namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

MadeTenant on(const std::string& device, const std::string& name, double latency_ms, const std::string& model) {
  MadeTenant made;
  made.name = name;
  made.model = model;
  made.latency_ms = latency_ms;
  made.iterations = static_cast<int>(4000 / latency_ms);
  made.change_record = [device](TenantRecord& tenant) { tenant.device = device; };
  return made;
}

// As many as there are chips, of one model.
auto gpus(std::vector<std::string> chips) {
  return [chips = std::move(chips)](ExperimentRecord& record) {
    record.devices.resize(chips.size());
    for (size_t i = 0; i < chips.size(); ++i) {
      record.devices[i].device = fmt::format("cuda:{}", i);
      record.devices[i].name = "GPU";
      record.devices[i].uuid = chips[i];
    }
    record.settings.device = "cuda:0";
  };
}

// One device, that of a baseline of the tenants of `device`.
auto only(const std::string& device, const std::string& chip) {
  return [=](ExperimentRecord& record) {
    gpus({chip})(record);
    record.settings.device = record.device().device = device;
  };
}

std::string sample(double t_s, int device, double clock_mhz, double power_w, double sm, bool throttled) {
  return fmt::format("{{\"t_s\":{},\"device\":\"cuda:{}\",\"sm_clock_mhz\":{},\"power_w\":{},\"sm_percent\":{}{}}}\n",
                     t_s, device, clock_mhz, power_w, sm, throttled ? ",\"throttle_reasons\":\"power cap\"" : "");
}

class OfSeveralDevices : public DataRoot {
 protected:
  // a and b take turns on cuda:0, a gets three quarters; c has cuda:1, and is slowed down a little all the same.
  void make(const std::string& name, const std::string& chip_of_c_alone = "GPU-1") {
    make_experiment(root_ / name,
                    {on("cuda:0", "a", 4. / 3, "gpt"), on("cuda:0", "b", 4, "gpt"), on("cuda:1", "c", 5, "bert")},
                    gpus({"GPU-0", "GPU-1"}));
    const auto baselines = root_ / name / "baselines";
    make_experiment(baselines / "gpt", {on("cuda:0", "a", 1, "gpt")}, only("cuda:0", "GPU-0"));
    make_experiment(baselines / "bert", {on("cuda:1", "c", 4, "bert")}, only("cuda:1", chip_of_c_alone));
    std::string telemetry;
    for (int i = 0; i < 10; ++i)
      telemetry += sample(0.3 * i, 0, 1500, 300, 90, true) + sample(0.3 * i, 1, 1700, 100, 40, false);
    write_text(root_ / name / "telemetry.jsonl", telemetry);
  }

  ExperimentAnalysis analyze(const std::string& name) {
    AnalysisRequest request;
    request.directory = root_ / name;
    return analyze_experiment(request);
  }
};

TEST_F(OfSeveralDevices, EachHasTheWorkOfItsOwnTenants) {
  make("three");
  const ExperimentAnalysis found = analyze("three");
  ASSERT_EQ(found.devices.size(), 2u);
  const PerDeviceAnalysis &first = found.devices[0], &second = found.devices[1];
  EXPECT_EQ(first.device, "cuda:0");
  EXPECT_EQ(second.uuid, "GPU-1");
  EXPECT_EQ(found.tenants[2].device, "cuda:1");
  // Requests of 8 x 128 tokens; progress 0.75, 0.25 and 0.8.
  EXPECT_NEAR(*first.tokens_per_s, 1024 * (750 + 250), 5000);
  EXPECT_NEAR(*second.tokens_per_s, 1024 * 200, 1000);
  EXPECT_NEAR(*found.device.tokens_per_s, 1024 * 1200, 5000);
  EXPECT_NEAR(*first.stp, 1, 1e-2);
  EXPECT_NEAR(*second.stp, 0.8, 1e-2);
  EXPECT_NEAR(*found.stp, 1.8, 1e-2);
  EXPECT_NEAR(*first.antt, (1 / 0.75 + 1 / 0.25) / 2, 3e-2);
  EXPECT_NEAR(*second.antt, 1.25, 1e-2);
  EXPECT_NEAR(*first.jain, 1 / (2 * (0.75 * 0.75 + 0.25 * 0.25)), 1e-2);  // (0.75 + 0.25)^2 over that
  EXPECT_FALSE(second.jain);
  EXPECT_NEAR(*second.tokens_per_s_alone_in_turn, 1024 * 250, 2000);
  ASSERT_TRUE(first.stp_interval && second.stp_interval);
  EXPECT_LE(second.stp_interval->low, *second.stp);
  EXPECT_GE(second.stp_interval->high, *second.stp);
}

// c shares its device with nobody: it takes from none of the others, however fast it is.
TEST_F(OfSeveralDevices, VerdictsAreAmongTheTenantsOfOne) {
  make("three");
  const ExperimentAnalysis found = analyze("three");
  EXPECT_EQ(found.tenants[0].verdict, Verdict::hogging);
  EXPECT_EQ(found.tenants[1].verdict, Verdict::starved);
  EXPECT_NEAR(*found.tenants[0].relative_progress, std::sqrt(3), 1e-2);
  EXPECT_FALSE(found.tenants[2].verdict);
  EXPECT_FALSE(found.tenants[2].study_verdict);
  ASSERT_EQ(found.rate_spreads.size(), 1u);
  EXPECT_THAT(found.rate_spreads[0].work, HasSubstr("on cuda:0"));
}

// Equal tenants on each of two devices that are not equally fast are fair to their neighbours.
TEST_F(OfSeveralDevices, UnequalDevicesMakeNobodyUnfair) {
  make_experiment(root_ / "four",
                  {on("cuda:0", "a", 2, "gpt"), on("cuda:0", "b", 2, "gpt"), on("cuda:1", "c", 4, "gpt"),
                   on("cuda:1", "d", 4, "gpt")},
                  gpus({"GPU-0", "GPU-1"}));
  make_experiment(root_ / "four" / "baselines" / "gpt", {on("cuda:0", "a", 1, "gpt")}, only("cuda:0", "GPU-0"));
  for (const TenantAnalysis& tenant : analyze("four").tenants) EXPECT_EQ(tenant.verdict, Verdict::fair) << tenant.name;
}

TEST_F(OfSeveralDevices, TelemetryIsOfEachAndTogether) {
  make("three");
  const ExperimentAnalysis found = analyze("three");
  EXPECT_EQ(*found.devices[0].sm_clock_mhz, 1500);
  EXPECT_EQ(*found.devices[1].sm_clock_mhz, 1700);
  EXPECT_EQ(*found.device.sm_clock_mhz, 1600);
  EXPECT_EQ(*found.device.power_w, 400);
  EXPECT_EQ(*found.device.sm_percent, 65);
  EXPECT_NEAR(*found.devices[1].joules_per_token, 100 / (1024 * 200.), 1e-5);
  EXPECT_EQ(found.devices[0].telemetry_samples, 10u);
  EXPECT_EQ(found.device.telemetry_samples, 20u);
  EXPECT_EQ(found.devices[0].throttled_samples, 10u);
  EXPECT_EQ(found.devices[1].throttled_samples, 0u);
  EXPECT_THAT(found.warnings, Contains(HasSubstr("cuda:0 was throttled in 10 of 10 samples")));
  EXPECT_EQ(found.devices[0].bound, "compute");
  EXPECT_EQ(found.device.bound, "");  // not one and the same
  EXPECT_THAT(found.device.bound_reason, HasSubstr("cuda:0 compute"));
}

TEST_F(OfSeveralDevices, ABaselineOfAnotherChipIsSaid) {
  make("three");
  EXPECT_THAT(analyze("three").warnings, Not(Contains(HasSubstr("another chip"))));
  make("moved", "GPU-2");
  EXPECT_THAT(analyze("moved").warnings, Contains(HasSubstr("c: alone on another chip")));
}

// Beside the experiment lie runs of its tenant on either chip: that of the tenant's own is taken, also if it is older.
TEST_F(OfSeveralDevices, ABaselineOfTheOwnChipIsTakenBeforeOthers) {
  make_experiment(root_ / "two", {on("cuda:0", "a", 4, "gpt"), on("cuda:1", "b", 4, "gpt")}, gpus({"GPU-0", "GPU-1"}));
  make_experiment(root_ / "solo_1", {on("cuda:1", "b", 3, "gpt")}, only("cuda:1", "GPU-1"));
  make_experiment(root_ / "solo_0", {on("cuda:0", "a", 2, "gpt")}, only("cuda:0", "GPU-0"));
  const ExperimentAnalysis found = analyze("two");
  EXPECT_EQ(found.tenants[0].baseline->experiment, "solo_0");
  EXPECT_EQ(found.tenants[1].baseline->experiment, "solo_1");
  EXPECT_NEAR(*found.tenants[1].progress, 0.75, 1e-2);
  EXPECT_THAT(found.warnings, Not(Contains(HasSubstr("another chip"))));
}

// Who moved to another chip cannot be judged, who stayed can.
TEST_F(OfSeveralDevices, ComparisonsAreWithheldOfWhoMoved) {
  const auto runs = [&](const std::string& side, const std::string& of_b, double b_ms) {
    for (int run = 0; run < 6; ++run)
      make_experiment(root_ / side / fmt::format("{}", run),
                      {on("cuda:0", "a", 2 + 0.001 * run, "gpt"), on(of_b, "b", b_ms + 0.001 * run, "bert")},
                      gpus({"GPU-0", "GPU-1"}));
  };
  runs("before", "cuda:0", 4);
  runs("after", "cuda:1", 2);
  CompareRequest request;
  request.before = root_ / "before";
  request.after = root_ / "after";
  const Comparison found = compare_runs(request);
  ASSERT_EQ(found.tenants.size(), 2u);
  EXPECT_EQ(found.tenants[0].change, Change::same);
  EXPECT_EQ(found.tenants[1].change, Change::unclear);
  EXPECT_EQ(found.tenants[1].reason, "measured on different chips");
  EXPECT_THAT(found.warnings, Contains(HasSubstr("b: the sides were measured on different chips, GPU-0 before")));
}

TEST(Telemetry, OfSeveralDevicesWithAnUnknownFigureIsUnknown) {
  TelemetryMeans known, unknown;
  known.power_w = 100;
  known.sm_percent = 50;
  unknown.power_w = 200;
  const TelemetryMeans both = together(std::array{known, unknown});
  EXPECT_EQ(both.power_w, 300);
  EXPECT_FALSE(both.sm_percent);
}

}  // namespace
}  // namespace cotenant
