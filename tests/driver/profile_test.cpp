#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "analysis/kernels.h"
#include "command.h"
#include "config/load.h"
#include "config/overrides.h"
#include "driver/series.h"
#include "places.h"

namespace cotenant {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class ProfiledRun : public DriverTest {
 protected:
  // Two tenants of known cost, with what `module` records of them.
  ExperimentOutcome profile(const std::string& module, bool one_worker = false) const {
    write("pair.yaml",
          "experiment_name: pair\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\ntenants:\n"
          "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}\n"
          "  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 20}\n");
    const ExperimentConfig config =
        load_config(at("pair.yaml").string(), {.set = {text_override("out_dir", at("out").string())}});
    ExperimentPlan plan = make_plan(config, read_machine());
    plan.run.settings.profiled = true;
    plan.run.one_worker = one_worker;
    const PlannedExperiment planned{.name = "pair", .plan = [plan] { return plan; }, .error = {}};
    SeriesOptions options;
    options.executable = binary();
    SignalWatch signals;
    ::setenv("COTENANT_CUPTI_MODULE", module.c_str(), 1);
    ExperimentOutcome outcome = run_series({planned}, signals, options, {}).front();
    ::unsetenv("COTENANT_CUPTI_MODULE");
    return outcome;
  }
};

TEST_F(ProfiledRun, HasTheKernelsOfEachTenant) {
  const ExperimentOutcome outcome = profile(build_dir() + "/tests/libmade_recorder.so");
  ASSERT_EQ(outcome.code, ExitCode::valid) << outcome.error << testing::PrintToString(outcome.reasons);
  EXPECT_TRUE(record("out").settings.profiled);
  for (const char* tenant : {"a", "b"}) {
    const KernelRecords records = read_kernels(at("out") / tenant);
    ASSERT_THAT(records.activities, SizeIs(2));
    EXPECT_NEAR(records.activities[0].start_s, 0.001, 1e-12);  // since T0
    EXPECT_NEAR(records.activities[0].end_s, 0.003, 1e-12);
    EXPECT_EQ(records.names[records.activities[0].name], "second");
    EXPECT_EQ(records.activities[1].size, 8u);
    EXPECT_EQ(records.missing, 3u);
    EXPECT_THAT(records.problem, HasSubstr("dropped by CUPTI"));
  }
}

// Tenants as threads of one process: a kernel is that tenant's whose thread launched it.
TEST_F(ProfiledRun, TellsTheThreadsOfOneProcessApart) {
  const ExperimentOutcome outcome = profile(build_dir() + "/tests/libmade_recorder.so", true);
  ASSERT_EQ(outcome.code, ExitCode::valid) << outcome.error << testing::PrintToString(outcome.reasons);
  const KernelRecords a = read_kernels(at("out") / "a"), b = read_kernels(at("out") / "b");
  ASSERT_THAT(a.activities, SizeIs(1));
  ASSERT_THAT(b.activities, SizeIs(1));
  EXPECT_EQ(a.names[a.activities[0].name], "second");
  EXPECT_EQ(b.names[b.activities[0].name], "first");
}

TEST_F(ProfiledRun, SaysWhyItCannotRecord) {
  const ExperimentOutcome outcome = profile(at("no_such_module.so").string());
  EXPECT_EQ(outcome.code, ExitCode::tenant_died);
  EXPECT_THAT(testing::PrintToString(outcome.reasons), HasSubstr("the recorder of kernels cannot be loaded"));
}

}  // namespace
}  // namespace cotenant
