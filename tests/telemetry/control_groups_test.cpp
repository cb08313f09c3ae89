#include "telemetry/control_groups.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "../real_control_group.h"
#include "base/clock.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The files of another machine, below a directory of their own.
class OtherGroups : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) {
    const fs::path full = root_ + path;
    fs::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  ControlGroups groups() const { return find_control_groups(root_); }

  const TemporaryDirectory directory_;
  const std::string root_ = directory_.path().string();
};

TEST_F(OtherGroups, OfAContainerBeginAtWhatIsMounted) {
  file("/proc/self/cgroup", "9:cpu,cpuacct:/docker/1f2e\n8:memory:/docker/1f2e/job\n");
  file("/proc/self/mountinfo",
       "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
       "32 31 0:29 /docker/1f2e /sys/fs/cgroup/cpu,cpuacct ro,nosuid master:11 - cgroup cgroup rw,cpu,cpuacct\n"
       "33 31 0:30 /docker/1f2e /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n");
  file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000\n");
  file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "300000\n");
  EXPECT_EQ(cpu_quota(groups()), 0.5);
  ASSERT_TRUE(memory_limit(groups()));
  EXPECT_EQ(memory_limit(groups())->limit_bytes, 1'000'000u);
  EXPECT_EQ(memory_limit(groups())->available_bytes, 700'000u);
}

TEST_F(OtherGroups, OfTheSecondVersionMayBeMountedAnywhere) {
  file("/proc/self/cgroup", "0::/job\n");
  file("/proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  file("/sys/fs/cgroup/unified/job/cpu.max", "250000 100000\n");
  file("/sys/fs/cgroup/unified/job/pids.max", "100\n");
  file("/sys/fs/cgroup/unified/job/pids.current", "30\n");
  EXPECT_EQ(cpu_quota(groups()), 2.5);
  EXPECT_EQ(tasks_left(groups()), 70u);
  EXPECT_FALSE(memory_limit(groups()));
}

TEST_F(OtherGroups, ThePageCacheCountsAsLeft) {
  file("/proc/self/cgroup", "0::/job\n");
  file("/sys/fs/cgroup/job/memory.max", "1000\n");
  file("/sys/fs/cgroup/job/memory.current", "950\n");
  file("/sys/fs/cgroup/job/memory.stat", "anon 200\nfile 750\ninactive_file 500\nactive_file 200\n");
  EXPECT_EQ(memory_limit(groups())->available_bytes, 1000u - 250u);
  file("/sys/fs/cgroup/job/memory.high", "800\n");  // from there on it is slowed down
  EXPECT_EQ(memory_limit(groups())->limit_bytes, 800u);
  EXPECT_EQ(memory_limit(groups())->available_bytes, 800u - 250u);
}

TEST_F(OtherGroups, TheFirstVersionCountsTheGroupsBelow) {
  file("/proc/self/cgroup", "4:memory:/a\n");
  file("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000\n");
  file("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "900\n");
  file("/sys/fs/cgroup/memory/a/memory.stat", "inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 200\n");
  EXPECT_EQ(memory_limit(groups())->available_bytes, 600u);
}

TEST_F(OtherGroups, CountHowOftenALimitBit) {
  file("/proc/self/cgroup", "0::/job/step\n");
  file("/sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  const auto stat = [&](int periods, int throttled, int usec) {
    file("/sys/fs/cgroup/job/cpu.stat", "usage_usec 5\nnr_periods " + std::to_string(periods) + "\nnr_throttled " +
                                            std::to_string(throttled) + "\nthrottled_usec " + std::to_string(usec) +
                                            "\n");
  };
  file("/sys/fs/cgroup/job/step/cpu.max", "max 100000\n");  // without a quota nothing is counted
  file("/sys/fs/cgroup/job/step/cpu.stat", "nr_periods 1000\nnr_throttled 1000\nthrottled_usec 1\n");
  file("/sys/fs/cgroup/job/memory.max", "1000\n");
  file("/sys/fs/cgroup/job/memory.events", "low 0\nhigh 1\nmax 4\noom 1\noom_kill 1\n");
  stat(10, 2, 500'000);
  const LimitCounts before = count_limits(groups());
  stat(47, 37, 2'000'000);
  const LimitCounts bit = count_limits(groups()) - before;
  EXPECT_EQ(bit.cpu_periods, 37u);
  EXPECT_EQ(bit.throttled_periods, 35u);
  EXPECT_EQ(bit.throttled_s, 1.5);
  EXPECT_EQ(bit.memory_hits, 0u);
  EXPECT_EQ(before.memory_hits, 5u);
  EXPECT_EQ(before.oom_kills, 1u);
}

TEST_F(OtherGroups, WithoutAnyFileThereIsNoLimit) {
  EXPECT_FALSE(cpu_quota(groups()));
  EXPECT_FALSE(memory_limit(groups()));
  EXPECT_FALSE(tasks_left(groups()));
  EXPECT_FALSE(count_limits(groups()).throttled_periods);
}

// The kernel's own files: a process with a fifth of a core that would use a whole one.
TEST(ControlGroups, AQuotaOfThisKernelIsSeenToBite) {
  const RealControlGroup group("cpu");
  if (!group.problem().empty()) GTEST_SKIP() << group.problem();
  group.set_cpu_quota(0.2);
  int said[2];
  ASSERT_EQ(::pipe(said), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    group.enter();
    const ControlGroups groups = find_control_groups();
    const LimitCounts before = count_limits(groups);
    const int64_t until_ns = now_ns() + s_to_ns(0.6);
    while (now_ns() < until_ns) continue;
    const LimitCounts bit = count_limits(groups) - before;
    const double found[] = {cpu_quota(groups).value_or(0), static_cast<double>(bit.cpu_periods.value_or(0)),
                            static_cast<double>(bit.throttled_periods.value_or(0)), bit.throttled_s.value_or(0)};
    ::_exit(::write(said[1], found, sizeof found) == sizeof found ? 0 : 1);
  }
  double found[4] = {};
  EXPECT_EQ(::read(said[0], found, sizeof found), static_cast<ssize_t>(sizeof found));
  ::waitpid(child, nullptr, 0);
  ::close(said[0]);
  ::close(said[1]);
  EXPECT_DOUBLE_EQ(found[0], 0.2);
  EXPECT_GE(found[1], 2);  // periods of 100 ms
  EXPECT_GE(found[2], 1);
  EXPECT_LE(found[2], found[1]);
  EXPECT_GT(found[3], 0.05);
}

TEST(ControlGroups, AMemoryLimitOfThisKernelLeavesRoomForThePageCache) {
  const RealControlGroup group("memory");
  if (!group.problem().empty()) GTEST_SKIP() << group.problem();
  constexpr uint64_t limit = 96u << 20;
  group.set_memory_limit(limit);
  const TemporaryDirectory directory;
  int said[2];
  ASSERT_EQ(::pipe(said), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    group.enter();
    std::ofstream file(directory.path() / "cached", std::ios::binary);
    const std::string mebibyte(1 << 20, 'x');
    for (int i = 0; i < 64; ++i) file << mebibyte;
    file.close();
    const auto memory = memory_limit(find_control_groups()).value_or(MemoryLimit{});
    const uint64_t found[] = {memory.limit_bytes, memory.available_bytes};
    ::_exit(::write(said[1], found, sizeof found) == sizeof found ? 0 : 1);
  }
  uint64_t found[2] = {};
  EXPECT_EQ(::read(said[0], found, sizeof found), static_cast<ssize_t>(sizeof found));
  ::waitpid(child, nullptr, 0);
  ::close(said[0]);
  ::close(said[1]);
  EXPECT_EQ(found[0], limit);
  EXPECT_GT(found[1], limit - (32u << 20));  // of 64 MiB of cache nothing is lost
}

}  // namespace
}  // namespace cotenant
