#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "places.h"

// Sweeps of the configuration's key `vary`, run by the program.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

TEST_F(DriverTest, TheSensitivityDemoGivesATableOfSlowdowns) {
  const std::string config = source_dir() + "/configs/sensitivity/cpu_demo.yaml";
  const std::string small = source_dir() + "/tests/fixtures/models/gpt2";
  const Finished finished =
      run("run " + config + " --set tenants.0.weights=auto --set tenants.0.model_name=" + small +
          " --set min_duration_s=0.2 --set warmup_s=0.05 --set 'tenants.stressor.stress.service_ms=1'");
  ASSERT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("p50 slowdown of model"));
  EXPECT_THAT(finished.out, testing::ContainsRegex("stress +0\\.25 +0\\.5 +1\n"));

  // Six cells, each with its baselines; the model's is measured once.
  const fs::path data = at("data/sensitivity");
  int cells = 0;
  for (const auto& cell : fs::directory_iterator(data)) {
    const ExperimentRecord record = this->record(fs::relative(cell.path(), root_));
    const TenantRecord& stressor = record.tenants.at(1);
    ASSERT_TRUE(stressor.stress);
    const double intensity = stressor.stress->intensity;
    EXPECT_EQ(stressor.stress->period_ms.has_value(), intensity < 1);
    if (intensity < 1) {
      EXPECT_DOUBLE_EQ(*stressor.stress->period_ms, 1 / intensity);
      // Sent no more often than the intensity says, wherever in a period the window begins.
      EXPECT_LE(*stressor.summary.requests_per_s * record.window->duration_s(),
                record.window->duration_s() * 1e3 * intensity + 2);
    }
    for (const TenantRecord& tenant : record.tenants)
      EXPECT_TRUE(fs::exists(cell.path() / "baselines" / tenant.kind / "experiment.json")) << cell.path();
    ++cells;
  }
  EXPECT_EQ(cells, 6);
  EXPECT_THAT(finished.err + finished.out, HasSubstr("alone: as measured for "));

  // The sweep is found by its configuration. The sleeping stressor is there, too: it is a control, and no assertion.
  const Finished again = run("analyze --json " + config);
  ASSERT_EQ(again.status.code, 0) << again.err;
  const json answer = json::parse(again.out);
  EXPECT_EQ(answer.at("experiments").size(), 6u);
  const json& table = answer.at("sensitivity").at(0);
  EXPECT_EQ(table.at("tenant"), "model");
  EXPECT_EQ(table.at("kinds"), json({"sleep", "spin"}));
  EXPECT_EQ(table.at("intensities"), json({0.25, 0.5, 1}));
  for (const json& row : table.at("slowdown_p50"))
    for (const json& slowdown : row) EXPECT_GT(slowdown.get<double>(), 0);
  EXPECT_EQ(answer.at("experiments").at(0).at("tenants").at(1).at("stress").at("kind"), "sleep");
}

TEST_F(DriverTest, TheOptionVaryMultipliesTheKey) {
  write("pair.yaml", R"(experiment_name: pair
device: cpu
min_duration_s: 0.05
warmup_s: 0
vary: {tenants.a.stress.service_ms: [1, 2]}
tenants:
  - {name: a, engine: stress, stress: {kind: sleep}, num_iters: 5, num_warmup: 0}
)");
  const Finished finished = run("run pair.yaml --vary seed=1,2");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  for (const char* name :
       {"pair_service_ms_1_seed_1", "pair_service_ms_1_seed_2", "pair_service_ms_2_seed_1", "pair_service_ms_2_seed_2"})
    EXPECT_TRUE(fs::exists(at("data") / name / "experiment.json")) << name;
  EXPECT_FALSE(fs::exists(at("data/pair_service_ms_1_seed_1/baselines")));
}

TEST_F(DriverTest, AStressOfADeviceIsRefusedOnTheCpuBeforeAnythingRuns) {
  write("dram.yaml", "device: cpu\ntenants:\n  - {name: a, engine: stress, stress: {kind: dram}}\n");
  const Finished finished = run("run dram.yaml");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("dram.yaml:3:5"));
  EXPECT_THAT(finished.err, HasSubstr("stress.kind: dram loads a CUDA device, and the device is the CPU"));
  EXPECT_FALSE(fs::exists(at("data")));
}

TEST_F(DriverTest, AnalyzeSaysWhenNothingOfASweepHasBeenRun) {
  write("pair.yaml", "device: cpu\nvary: {seed: [1, 2]}\ntenants:\n  - {name: a, engine: stress}\n");
  const Finished finished = run("analyze pair.yaml");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("none of its 2 experiments has been run"));
}

}  // namespace
}  // namespace cotenant
