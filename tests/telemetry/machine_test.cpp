#include "telemetry/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

// The files of another machine, below a directory of their own.
class OtherMachine : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) {
    const auto full = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  const TemporaryDirectory directory_;
  const std::string root_ = directory_.path().string();
};

std::string cpu(int number, int package, int core) {
  return "processor\t: " + std::to_string(number) +
         "\nmodel name\t: Fast CPU 9000\nphysical id\t: " + std::to_string(package) +
         "\ncore id\t\t: " + std::to_string(core) + "\nflags\t\t: fpu sse2 avx2 hypervisor avx512_bf16 avx512f\n\n";
}

TEST_F(OtherMachine, CoresAndFeatures) {
  file("/proc/cpuinfo", cpu(0, 0, 0) + cpu(1, 0, 1) + cpu(2, 0, 0) + cpu(3, 0, 1) + cpu(4, 1, 0) + cpu(5, 1, 0));
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.cpu, "Fast CPU 9000");
  EXPECT_EQ(machine.online_cpus, 6);
  EXPECT_EQ(machine.physical_cores, 3);
  EXPECT_TRUE(machine.is_virtual);
  EXPECT_TRUE(machine.has_feature("avx512_bf16"));
  EXPECT_FALSE(machine.has_feature("amx_bf16"));
}

TEST_F(OtherMachine, ArmHasNoModelName) {
  file("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd bf16 sve\n\nprocessor\t: 1\nFeatures\t: fp asimd bf16\n");
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.online_cpus, 2);
  EXPECT_EQ(machine.physical_cores, 2);
  EXPECT_FALSE(machine.cpu.empty());
  EXPECT_THAT(machine.cpu_features, testing::ElementsAre("asimd", "bf16", "sve"));
}

TEST_F(OtherMachine, SettingsThatBearOnMeasurements) {
  file("/etc/os-release", "NAME=\"Ubuntu\"\nPRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\n");
  file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n");
  file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  file("/proc/loadavg", "1.25 0.5 0.1 1/200 4711\n");
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.os, "Ubuntu 24.04.1 LTS");
  EXPECT_EQ(machine.governor, "schedutil");
  EXPECT_EQ(machine.transparent_hugepages, "madvise");
  EXPECT_EQ(machine.load1, 1.25);
}

constexpr const char* kMemory = "MemTotal:  16777216 kB\nMemFree: 1 kB\nMemAvailable:  8388608 kB\n";

TEST_F(OtherMachine, QuotaAndMemoryOfTheSecondCgroupVersion) {
  file("/proc/meminfo", kMemory);
  file("/proc/self/cgroup", "0::/user/job\n");
  file("/sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
  file("/sys/fs/cgroup/user/cpu.max", "150000 100000\n");  // an ancestor's limit holds, too
  file("/sys/fs/cgroup/user/job/memory.max", "1073741824\n");
  file("/sys/fs/cgroup/user/job/memory.current", "268435456\n");
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.cpu_limit, 1.5);
  EXPECT_EQ(machine.memory_total_bytes, uint64_t{16} << 30);
  EXPECT_EQ(machine.memory_limit_bytes, uint64_t{1} << 30);
  EXPECT_EQ(machine.memory_available_bytes, uint64_t{768} << 20);
}

TEST_F(OtherMachine, QuotaAndMemoryOfTheFirstCgroupVersion) {
  file("/proc/meminfo", kMemory);
  file("/proc/self/cgroup", "4:memory:/a/b\n1:cpu,cpuacct:/a\n0::/\n");
  file("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  file("/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
  file("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  file("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");  // none
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.cpu_limit, 2.5);
  EXPECT_EQ(machine.memory_limit_bytes, std::nullopt);
  EXPECT_EQ(machine.memory_available_bytes, uint64_t{8} << 30);
}

TEST_F(OtherMachine, WithoutAnyFile) {
  const Machine machine = read_machine(root_);
  EXPECT_EQ(machine.memory_total_bytes, 0u);
  EXPECT_EQ(machine.cpu_limit, std::nullopt);
  EXPECT_EQ(machine.load1, std::nullopt);
  EXPECT_EQ(usable_cores(Machine{}), 1);
}

TEST(ThisMachine, IsSeen) {
  const Machine machine = read_machine();
  EXPECT_FALSE(machine.hostname.empty());
  EXPECT_FALSE(machine.kernel.empty());
  EXPECT_GE(machine.logical_cpus, 1);
  EXPECT_LE(machine.logical_cpus, static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  EXPECT_GT(machine.memory_total_bytes, 0u);
  EXPECT_LE(machine.memory_available_bytes, machine.memory_total_bytes);
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  EXPECT_EQ(machine.memory_total_bytes, static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * page);
}

}  // namespace
}  // namespace cotenant
