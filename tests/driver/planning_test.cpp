#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>

#include "command.h"

// A grid is planned as a whole before its first experiment runs.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// 10,000 cells, the most there may be, of 30 tenants.
std::string large_grid() {
  std::string text = "experiment_name: grid\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\nvary:\n  seed: [0";
  for (int i = 1; i < 500; ++i) text += ", " + std::to_string(i);
  text += "]\n  tenants.0.batch_size: [1";
  for (int i = 2; i <= 20; ++i) text += ", " + std::to_string(i);
  text += "]\ntenants:\n";
  for (int i = 0; i < 30; ++i)
    text += "  - {name: t" + std::to_string(i) + ", engine: stress, stress: {kind: sleep, service_ms: 1}}\n";
  return text;
}

// Whether a process waits for SIGINT and SIGTERM by a descriptor, as a driver does: they are blocked.
bool listens(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("SigBlk:"))
      return (std::stoull(line.substr(7), nullptr, 16) & (1u << (SIGINT - 1) | 1u << (SIGTERM - 1))) != 0;
  return false;
}

class PlanningTest : public DriverTest, public testing::WithParamInterface<int> {};

TEST_P(PlanningTest, HearsASignal) {
  write("grid.yaml", large_grid());
  const auto driver = start("run grid.yaml");
  ASSERT_TRUE(eventually([&] { return listens(driver->pid()); }));
  ::kill(driver->pid(), GetParam());
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, GetParam() == SIGINT ? 130 : 143) << finished.status.text();
  EXPECT_THAT(finished.err, HasSubstr("interrupted while planning: nothing was run"));
  EXPECT_FALSE(fs::exists(at("data")));
}

TEST_P(PlanningTest, APipeThatNothingComesFromIsLeft) {
  const auto driver = start("run pipe", "mkfifo pipe;");
  ASSERT_TRUE(eventually([&] { return fs::exists(at("pipe")); }));
  ::usleep(300'000);
  ::kill(driver->pid(), GetParam());
  EXPECT_EQ(finish(*driver).status.signal, GetParam());
}

INSTANTIATE_TEST_SUITE_P(All, PlanningTest, testing::Values(SIGINT, SIGTERM));

// What was read first is what is run, also when somebody edits the file while an earlier experiment runs.
TEST_F(DriverTest, AnEditedFileChangesNothingThatIsPlanned) {
  const auto config = [](const std::string& name, int seed) {
    return "experiment_name: " + name + "\ndevice: cpu\nmin_duration_s: 1\nwarmup_s: 0\nseed: " + std::to_string(seed) +
           "\ntenants: [{name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}]\n";
  };
  write("first.yaml", config("first", 1));
  write("second.yaml", config("second", 1));
  const auto driver = start("run first.yaml second.yaml");
  ASSERT_TRUE(eventually([&] { return fs::exists(at("data/first.staging/experiment.json")); }));
  write("second.yaml", config("second", 2));
  EXPECT_EQ(finish(*driver).status.code, 0);
  EXPECT_EQ(record("data/second").settings.seed, 1u);
  EXPECT_EQ(read("data/second/config.yaml"), config("second", 1));
}

}  // namespace
}  // namespace cotenant
