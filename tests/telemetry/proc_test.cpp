#include "telemetry/proc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "base/temporary_directory.h"
#include "telemetry/host_sampler.h"

namespace cotenant {
namespace {

using testing::ElementsAre;

// The files of another machine, whose clock ticks as ours does.
class OtherProc : public testing::Test {
 protected:
  void file(const std::string& path, const std::string& text) {
    const auto full = std::filesystem::path(root_ + path);
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  void thread(int pid, int number, int voluntary, int involuntary) {
    file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(number) + "/status",
         "Name:\tworker\nThreads:\t2\nvoluntary_ctxt_switches:\t" + std::to_string(voluntary) +
             "\nnonvoluntary_ctxt_switches:\t" + std::to_string(involuntary) + "\n");
  }

  const TemporaryDirectory directory_;
  const std::string root_ = directory_.path().string();
  static constexpr double always_ = 1e9;  // cores that a sampler may take
  const double tick_s_ = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
};

TEST_F(OtherProc, TimesOfEachCpu) {
  file("/proc/stat",
       "cpu  20 2 10 900 8 1 1 4 3 0\n"
       "cpu0 15 2 5 400 8 1 1 4 3 0\n"
       "cpu3 5 0 5 500 0 0 0 0 0 0\n"
       "intr 12345 1 2\nctxt 99\n");
  const CpuTimes times = read_cpu_times(root_);
  EXPECT_NEAR(times.busy_s, 38 * tick_s_, 1e-9);
  ASSERT_EQ(times.each_busy_s.size(), 2u);
  EXPECT_NEAR(times.each_busy_s[0], 28 * tick_s_, 1e-9);
  EXPECT_NEAR(times.each_busy_s[1], 10 * tick_s_, 1e-9);
}

TEST_F(OtherProc, StallsAreThoseOfSomeTask) {
  file("/proc/pressure/cpu",
       "some avg10=1.50 avg60=0.01 avg300=0.11 total=185986707\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
  file("/proc/pressure/io", "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
  EXPECT_EQ(read_stall_s("cpu", root_), 185.986707);
  EXPECT_EQ(read_stall_s("io", root_), std::nullopt);
  EXPECT_EQ(read_stall_s("memory", root_), std::nullopt);  // an older kernel
}

TEST_F(OtherProc, SwitchesOfAllThreads) {
  thread(4711, 4711, 100, 7);
  thread(4711, 4712, 20, 3);
  file("/proc/4711/task/4713/status", "");  // ends meanwhile
  const auto switches = read_switches(4711, root_);
  ASSERT_TRUE(switches);
  EXPECT_EQ(switches->voluntary, 120u);
  EXPECT_EQ(switches->involuntary, 10u);
  EXPECT_FALSE(read_switches(1, root_));
}

TEST_F(OtherProc, WithoutAnyFile) {
  EXPECT_EQ(read_cpu_times(root_).busy_s, 0);
  EXPECT_FALSE(machine_memory_used_bytes(root_));
  EXPECT_FALSE(read_process(4711, root_));
  HostSampler sampler({{"tenant", {4711}}}, always_, root_);
  sampler.sample(now_ns());
  const TelemetrySample sample = sampler.sample(now_ns());
  EXPECT_TRUE(sample.cpu_percent.empty());
  EXPECT_FALSE(sample.cpu_stall_percent);
  EXPECT_TRUE(sample.tenants.empty());
}

// Between two samples one CPU is busy for longer than passed, one not at all; so with the stalls.
TEST_F(OtherProc, ASampleIsWhatChanged) {
  const std::string stat = "4711 (a worker) S 1 1 1 0 -1 0 0 0 0 0 ";
  file("/proc/stat", "cpu 20 0 0 0\ncpu0 10 0 0 0\ncpu1 10 0 0 0\n");
  file("/proc/pressure/cpu", "some avg10=0 total=1000\n");
  file("/proc/pressure/memory", "some avg10=0 total=5000\n");
  file("/proc/4711/stat", stat + "10 5 0 0 20 0 1 0 33 4096 100 0\n");
  thread(4711, 4711, 100, 7);
  HostSampler sampler({{"tenant", {4711}}}, always_, root_);
  const TelemetrySample first = sampler.sample(now_ns());
  EXPECT_TRUE(first.cpu_percent.empty());
  EXPECT_FALSE(first.cpu_stall_percent);
  ASSERT_EQ(first.tenants.size(), 1u);
  EXPECT_FALSE(first.tenants[0].cpu_s);
  EXPECT_FALSE(first.tenants[0].voluntary_switches);
  EXPECT_EQ(first.tenants[0].resident_bytes, 100.0 * static_cast<double>(::sysconf(_SC_PAGESIZE)));

  file("/proc/stat", "cpu 100020 0 0 0\ncpu0 100010 0 0 0\ncpu1 10 0 0 0\n");
  file("/proc/pressure/cpu", "some avg10=0 total=1000000000\n");
  file("/proc/4711/stat", stat + "12 6 0 0 20 0 1 0 33 4096 100 0\n");
  thread(4711, 4711, 150, 9);
  const TelemetrySample second = sampler.sample(now_ns());
  EXPECT_THAT(second.cpu_percent, ElementsAre(100, 0));
  EXPECT_EQ(second.cpu_stall_percent, 100);
  EXPECT_EQ(second.memory_stall_percent, 0);
  EXPECT_FALSE(second.io_stall_percent);
  ASSERT_EQ(second.tenants.size(), 1u);
  EXPECT_NEAR(*second.tenants[0].cpu_s, 3 * tick_s_, 1e-9);
  EXPECT_EQ(second.tenants[0].voluntary_switches, 50);
  EXPECT_EQ(second.tenants[0].involuntary_switches, 2);

  thread(4711, 4711, 10, 12);  // a thread with many switches has ended
  const TelemetrySample third = sampler.sample(now_ns());
  EXPECT_FALSE(third.tenants[0].voluntary_switches);
  EXPECT_EQ(third.tenants[0].involuntary_switches, 3);
}

}  // namespace
}  // namespace cotenant
