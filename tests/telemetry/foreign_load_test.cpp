#include "telemetry/foreign_load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/affinity.h"
#include "base/clock.h"

namespace cotenant {
namespace {

LoadSnapshot at(double at_s, double busy_s) {
  LoadSnapshot snapshot;
  snapshot.at_s = at_s;
  snapshot.busy_s = busy_s;
  return snapshot;
}

TEST(ForeignLoad, IsWhatIsBusyWithoutUs) {
  LoadSnapshot before = at(100, 50), after = at(110, 65);
  before.processes = {{1, {"ours", 5, 1, 0}}, {2, {"theirs", 7, 1, 0}}};
  after.processes = {{1, {"ours", 13, 1, 0}}, {2, {"theirs", 12, 1, 0}}, {3, {"new", 1, 9, 0}}};
  const auto load = foreign_load(before, after, {1});
  ASSERT_TRUE(load);
  EXPECT_DOUBLE_EQ(load->busy_cores, (15.0 - 8) / 10);
  EXPECT_EQ(load->top_process, "theirs (pid 2), 0.50 cores");
}

TEST(ForeignLoad, TellsAReusedPidFromItsPredecessor) {
  LoadSnapshot before = at(0, 1), after = at(10, 11);
  before.processes = {{7, {"old", 100, 1, 0}}};
  after.processes = {{7, {"new", 4, 2, 0}}};
  EXPECT_EQ(foreign_load(before, after, {})->top_process, "new (pid 7), 0.40 cores");
}

TEST(ForeignLoad, NeedsTimeToPass) {
  EXPECT_FALSE(foreign_load(at(5, 1), at(5, 1), {}));
}

TEST(ForeignLoad, SeesABusyProcessOfThisMachine) {
  const pid_t busy = ::fork();
  if (busy == 0)
    for (;;) now_ns();
  const LoadSnapshot before = snapshot_load();
  sleep_until_ns(now_ns() + s_to_ns(0.5));
  const LoadSnapshot after = snapshot_load();
  ::kill(busy, SIGKILL);
  ::waitpid(busy, nullptr, 0);
  ASSERT_TRUE(after.processes.count(busy));
  EXPECT_GT(after.processes.at(busy).cpu_s, before.processes.at(busy).cpu_s);
  EXPECT_GT(foreign_load(before, after, {})->busy_cores, 0);
}

// A program that is pinned to other CPUs than this process is no disturbance; one that is free to use all of them is.
TEST(ForeignLoad, LeavesOutWhoIsPinnedElsewhere) {
  const std::vector<int> all = affinity();
  if (all.size() < 2) GTEST_SKIP() << "needs two CPUs";
  const auto busy_on = [](const std::vector<int>& cpus) {
    const pid_t child = ::fork();
    if (child == 0) {
      set_affinity(cpus);
      for (;;) now_ns();
    }
    return child;
  };
  const pid_t elsewhere = busy_on({all.back()}), here = busy_on({all.front()});
  std::thread([&] {
    set_affinity({all.front()});
    while (affinity(elsewhere).size() > 1 || affinity(here).size() > 1) sleep_until_ns(now_ns() + 1'000'000);
    const LoadSnapshot snapshot = snapshot_load();
    EXPECT_FALSE(snapshot.processes.count(elsewhere));
    EXPECT_TRUE(snapshot.processes.count(here));
    EXPECT_LT(snapshot.busy_s, read_cpu_times().busy_s);
  }).join();
  for (const pid_t pid : {elsewhere, here}) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

}  // namespace
}  // namespace cotenant
