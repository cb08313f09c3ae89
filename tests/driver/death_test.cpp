#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "base/clock.h"
#include "command.h"

// What happens when processes die, hang, are interrupted or cannot write.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string pair_config(double min_duration_s, double warmup_s) {
  return "experiment_name: pair\ndevice: cpu\nmin_duration_s: " + std::to_string(min_duration_s) +
         "\nwarmup_s: " + std::to_string(warmup_s) + R"(
tenants:
  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}
  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 20}
)";
}

class DeathTest : public DriverTest {
 protected:
  // Until both tenants are in their timed loops for a while.
  bool is_running() const { return fs::exists(at("data/pair.staging/experiment.json")); }
  bool waits_for_run() const {
    const bool running = eventually([&] { return is_running(); });
    sleep_until_ns(now_ns() + s_to_ns(0.4));
    return running;
  }
  bool has_workers(const Child& driver) const {
    return eventually([&] { return workers_of(driver.pid()).size() == 2; });
  }
  void expect_gone(const std::vector<pid_t>& pids) const {
    for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 2)) << pid;
  }
};

TEST_F(DeathTest, ATenantsDeathKeepsAllSamplesAndReplacesNothing) {
  write("pair.yaml", pair_config(0.1, 0));
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  const std::string before = read("data/pair/experiment.json");

  write("pair.yaml", pair_config(60, 0));
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(waits_for_run());
  const auto workers = workers_of(driver->pid());
  ASSERT_EQ(workers.size(), 2u);
  ::kill(workers[1], SIGKILL);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("b died in phase run: killed by SIGKILL"));
  EXPECT_EQ(read("data/pair/experiment.json"), before);
  const ExperimentRecord record = this->record("data/pair.incomplete");
  EXPECT_FALSE(record.validity.complete);
  EXPECT_EQ(record.tenants[1].exit.signal, SIGKILL);
  EXPECT_FALSE(record.tenants[0].exit.died);
  EXPECT_GT(iterations("data/pair.incomplete", "a").size(), 50u);
  EXPECT_GT(iterations("data/pair.incomplete", "b").size(), 25u);
  expect_gone(workers);
}

TEST_F(DeathTest, NothingOutlivesAKilledDriver) {
  write("pair.yaml", pair_config(60, 0));
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(waits_for_run());
  const auto workers = workers_of(driver->pid());
  ASSERT_EQ(workers.size(), 2u);
  ::kill(workers[0], SIGSTOP);  // one that cannot notice by itself
  ::kill(driver->pid(), SIGKILL);
  expect_gone(workers);
  driver->wait_until(now_ns() + s_to_ns(10));

  // The next run of the directory starts, and keeps what there was.
  write("pair.yaml", pair_config(0.1, 0));
  const Finished next = run("run pair.yaml");
  EXPECT_EQ(next.status.code, 0) << next.err;
  EXPECT_TRUE(fs::exists(at("data/pair.incomplete/a/events.jsonl")));
  EXPECT_FALSE(fs::exists(at("data/pair.staging")));
}

TEST_F(DeathTest, ASecondRunOfADirectoryIsRefused) {
  write("pair.yaml", pair_config(60, 0));
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(waits_for_run());
  const auto second = start("run pair.yaml >second.out 2>second.err #");
  const auto status = second->wait_until(now_ns() + s_to_ns(60));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 2);
  EXPECT_THAT(read("second.err"), HasSubstr("pid " + std::to_string(driver->pid())));
  EXPECT_TRUE(is_running());  // the first goes on
}

struct Interruption {
  int signal;
  std::string phase;  // "warm up", "run", "cool down"
};
void PrintTo(const Interruption& interruption, std::ostream* out) {
  *out << signal_name(interruption.signal) << " in " << interruption.phase;
}

class InterruptionTest : public DeathTest, public testing::WithParamInterface<Interruption> {};

TEST_P(InterruptionTest, StopsEverythingAndKeepsWhatThereIs) {
  const auto& [signal, phase] = GetParam();
  const bool cools_down = phase == "cool down";
  write("pair.yaml", pair_config(phase == "run" ? 60 : 0.1, phase == "warm up" ? 60 : 0));
  const auto driver = start(cools_down ? "run pair.yaml --repeat 2 --sleep 60" : "run pair.yaml");
  const bool reached = phase == "run" ? waits_for_run()
                       : phase == "warm up"
                           ? has_workers(*driver)
                           : eventually([&] { return read("stderr").find("cooling down") != std::string::npos; });
  ASSERT_TRUE(reached);
  if (phase == "warm up") sleep_until_ns(now_ns() + s_to_ns(0.3));
  const auto workers = workers_of(driver->pid());
  ::kill(driver->pid(), signal);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, signal == SIGINT ? 130 : 143) << finished.err;
  expect_gone(workers);
  EXPECT_FALSE(fs::exists(at("data/pair")));
  EXPECT_FALSE(fs::exists(at("data/pair.staging")));
  const ExperimentRecord record = this->record("data/pair.incomplete");
  if (cools_down) return;
  EXPECT_EQ(record.validity.interrupted_by, signal_name(signal));
  if (phase == "run") {
    EXPECT_GT(iterations("data/pair.incomplete", "a").size(), 50u);
    for (const TenantRecord& tenant : record.tenants) EXPECT_FALSE(tenant.exit.died);
  }
}

INSTANTIATE_TEST_SUITE_P(All, InterruptionTest,
                         testing::Values(Interruption{SIGINT, "warm up"}, Interruption{SIGTERM, "warm up"},
                                         Interruption{SIGINT, "run"}, Interruption{SIGTERM, "run"},
                                         Interruption{SIGINT, "cool down"}, Interruption{SIGTERM, "cool down"}));

// As a scheduler does that ends a job: every process is told, in no order.
TEST_F(DeathTest, AJobThatIsEndedIsInterruptedAlsoWhereAWorkerHearsOfItFirst) {
  write("pair.yaml", pair_config(60, 0));
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(waits_for_run());
  for (const pid_t worker : workers_of(driver->pid())) ::kill(worker, SIGTERM);
  ::kill(driver->pid(), SIGTERM);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 143) << finished.err;
  EXPECT_EQ(record("data/pair.incomplete").validity.interrupted_by, "SIGTERM");
}

TEST_F(DeathTest, AHangingTenantIsGivenUpAtTheDeadline) {
  write("pair.yaml", pair_config(0.1, 5));
  const auto driver = start("run pair.yaml --deadline 8");
  ASSERT_TRUE(has_workers(*driver));
  const auto workers = workers_of(driver->pid());
  ::kill(workers[0], SIGSTOP);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("a died in phase"));
  EXPECT_THAT(finished.err, HasSubstr("within 8 s"));
  expect_gone(workers);
}

TEST_F(DeathTest, ATenantThatHangsInTheRunIsGivenUp) {
  write("pair.yaml", pair_config(60, 0));
  const auto driver = start("run pair.yaml --deadline 3");
  ASSERT_TRUE(waits_for_run());
  const auto workers = workers_of(driver->pid());
  ASSERT_EQ(workers.size(), 2u);
  ::kill(workers[1], SIGSTOP);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("b died in phase run: hung: finished no request for 3 s"));
  EXPECT_GT(iterations("data/pair.incomplete", "b").size(), 25u);
}

TEST_F(DeathTest, ALimitOnFilesLosesNothingThatWasThere) {
  write("pair.yaml", pair_config(0.1, 0));
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  const std::string before = read("data/pair/a/events.jsonl");
  // Some megabytes, which the shared memory of the event rings needs, too; this tenant writes as much in a second.
  write("pair.yaml",
        "experiment_name: pair\ndevice: cpu\nmin_duration_s: 60\nwarmup_s: 0\ntenants:\n"
        "  - {name: a, engine: stress, stress: {kind: spin, service_ms: 0.02}, num_iters: 20}\n");
  const Finished finished = run("run pair.yaml", "export TMPDIR=$PWD; ulimit -f 10000;");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("File too large"));
  EXPECT_EQ(read("data/pair/a/events.jsonl"), before);
  EXPECT_FALSE(fs::exists(at("data/pair.staging")));
}

TEST_F(DeathTest, AFullDiskLosesNothingThatWasThere) {
  fs::create_directories(at("data"));
  if (::mount("tmpfs", at("data").c_str(), "tmpfs", 0, "size=256k") != 0) GTEST_SKIP() << "may not mount a tmpfs";
  write("pair.yaml", pair_config(0.1, 0));
  const Finished first = run("run pair.yaml");
  const std::string before = read("data/pair/a/events.jsonl");
  write("pair.yaml", pair_config(60, 0));
  const Finished finished = run("run pair.yaml", "TMPDIR=$PWD");
  const std::string after = read("data/pair/a/events.jsonl");
  ::umount(at("data").c_str());
  EXPECT_EQ(first.status.code, 0) << first.err;
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("No space left on device"));
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace cotenant
