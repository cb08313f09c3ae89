#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "command.h"
#include "places.h"

// --skip-existing passes old results off as new only where they are what was asked for.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string config(const std::string& change = "", const std::string& tenant = "") {
  return "experiment_name: pair\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\n" + change +
         "tenants:\n"
         "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20" +
         tenant + "}\n  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 20}\n";
}

class ExistingTest : public DriverTest {
 protected:
  void SetUp() override {
    write("pair.yaml", config());
    ASSERT_EQ(run("run pair.yaml").status.code, 0);
    before_ = read("data/pair/experiment.json");
  }
  void expect_skipped(const std::string& flags = "") {
    const Finished finished = run("run pair.yaml --skip-existing --set experiment_name=pair " + flags);
    EXPECT_EQ(finished.status.code, 0) << finished.err;
    EXPECT_EQ(read("data/pair/experiment.json"), before_);
  }
  void expect_refused(const std::string& flags, const std::string& difference) {
    const Finished finished = run("run pair.yaml --skip-existing " + flags);
    EXPECT_EQ(finished.status.code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("holds the results of another configuration: "));
    EXPECT_THAT(finished.err, HasSubstr(difference));
    EXPECT_THAT(finished.err, HasSubstr("Without --skip-existing"));
    EXPECT_EQ(read("data/pair/experiment.json"), before_);
  }

  std::string before_;
};

TEST_F(ExistingTest, ARunOfTheSameConfigurationIsSkipped) {
  expect_skipped();
  write("pair.yaml", "# a word on what it is for\n" + config("sleep_duration: 0\n", ", tag: quick"));
  expect_skipped("--set sleep_duration=3");  // neither decides what is measured
}

TEST_F(ExistingTest, AnyOtherIsRefusedAndWhatDiffersIsNamed) {
  expect_refused("--set tenants.0.num_iters=30", "tenants.0.num_iters: 20 there, 30 asked for");
  expect_refused("--set tenants.b.stress.service_ms=3", "tenants.1.service_ms: 2.0 there, 3.0 asked for");
  expect_refused("--set tenants.1.stress.intensity=0.5", "tenants.1.stress_intensity: 1.0 there, 0.5 asked for");
  expect_refused("--set tenants.1.threads=1 --set tenants.1.cpus=[0]", "tenants.1.cpus: [] there, [0] asked for");
  expect_refused("--set seed=7 --set corun=fixed", "corun: overlap there, fixed asked for; seed: 0 there, 7 asked for");
  expect_refused("--baselines", "baselines: 2 of 2 are missing there");
  expect_refused("--repeat 3", "repeats: 1 there, 3 asked for");
  write("pair.yaml", config("max_duration_s: 50\n"));
  expect_refused("", "max_duration_s: 600.0 there, 50.0 asked for");
  write("pair.yaml", config() + "  - {name: c, engine: stress, stress: {kind: sleep, service_ms: 2}}\n");
  expect_refused("", "tenants: 2 there, 3 asked for");
}

// The configuration is the same; what it finds is not.
TEST_F(ExistingTest, RandomWeightsAreNoFiles) {
  fs::create_directories(at("model"));
  const fs::path fixture = source_dir() + "/tests/fixtures/models/llama_tied";
  fs::copy_file(fixture / "config.json", at("model/config.json"));
  write("pair.yaml",
        "experiment_name: pair\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\ntenants:\n"
        "  - {model_name: ./model, name: a, threads: 1, batch_size: 1, seq_len: 4, num_iters: 3, num_warmup: 1}\n");
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  before_ = read("data/pair/experiment.json");
  expect_skipped();
  fs::copy_file(fixture / "model.safetensors", at("model/model.safetensors"));
  expect_refused(
      "", "tenants.0.weights: random weights (seed 0): ./model has no model.safetensors there, weights of ./model");
}

TEST_F(ExistingTest, IsKnownBeforeAnythingRuns) {
  write("other.yaml", "experiment_name: other\n" + config().substr(config().find('\n') + 1));
  EXPECT_EQ(run("run other.yaml pair.yaml --skip-existing --set seed=7").status.code, 2);
  EXPECT_FALSE(fs::exists(at("data/other")));
  const Finished going = run("run pair.yaml other.yaml --skip-existing --set seed=7 --keep-going");
  EXPECT_EQ(going.status.code, 2);
  EXPECT_TRUE(fs::exists(at("data/other/experiment.json")));
  EXPECT_EQ(read("data/pair/experiment.json"), before_);
}

}  // namespace
}  // namespace cotenant
