#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "places.h"
#include "telemetry/device_sampler.h"
#include "telemetry/gpu_processes.h"

// The whole way through NVML's interface, with stand_in_nvml.cpp behind it.
namespace cotenant {
namespace {

class StandIn : public testing::Test {
 protected:
  void SetUp() override {
    Gap gap;
    nvml_ = Nvml::open(gap, build_dir() + "/tests/libstand_in_nvml.so");
    ASSERT_TRUE(nvml_) << gap.text();
    device_ = nvml_->device_by_index(0);
    ASSERT_TRUE(device_);
  }

  std::shared_ptr<const Nvml> nvml_;
  std::optional<NvmlDevice> device_;
};

constexpr double kGib = 1024.0 * 1024 * 1024;

TEST_F(StandIn, TellsWhatItIs) {
  EXPECT_EQ(nvml_->driver_version(), "580.159.04");
  EXPECT_EQ(nvml_->device_count(), 1);
  EXPECT_FALSE(nvml_->device_by_index(1));
  EXPECT_FALSE(nvml_->device_by_index(-1));
  EXPECT_EQ(device_->name(), "Stand-in H100");
  EXPECT_EQ(device_->uuid(), "GPU-stand-in");
  EXPECT_EQ(device_->memory()->total_bytes, uint64_t{80} << 30);
  EXPECT_EQ(device_->memory()->free_bytes, uint64_t{70} << 30);
  EXPECT_EQ(device_->power_limit_w(), 700);
  EXPECT_EQ(device_->max_sm_clock_mhz(), 1980);
  EXPECT_EQ(nvml_->error_text(4), "Stand-in Error (error 4)");
}

TEST_F(StandIn, ListsMoreProcessesThanWereExpected) {
  const auto processes = device_->compute_processes();
  ASSERT_TRUE(processes);
  ASSERT_EQ(processes->size(), 100u);
  EXPECT_EQ(processes->at(0).pid, 1000);
  EXPECT_EQ(processes->at(0).used_bytes, std::nullopt);
  EXPECT_EQ(processes->at(99).pid, 1099);
  EXPECT_EQ(processes->at(99).used_bytes, 99u);
}

TEST_F(StandIn, ListsMigInstances) {
  EXPECT_EQ(device_->mig_enabled(), true);
  const auto instances = device_->mig_instances();
  ASSERT_EQ(instances.size(), 1u);
  EXPECT_EQ(instances[0].index, 2);
  EXPECT_EQ(instances[0].uuid, "MIG-stand-in");
  EXPECT_EQ(instances[0].sm_count, 32);
  EXPECT_EQ(instances[0].memory_bytes, uint64_t{20} << 30);
}

// CUDA gives the bytes of an instance's UUID without saying that it is one.
TEST_F(StandIn, FindsAnInstanceAndItsGpu) {
  for (const char* uuid : {"MIG-stand-in", "GPU-stand-in"}) EXPECT_EQ(nvml_->device_by_uuid(uuid)->uuid(), uuid);
  const auto instance = nvml_->device_by_uuid("MIG-stand-in");
  EXPECT_EQ(instance->physical().uuid(), "GPU-stand-in");
  EXPECT_EQ(instance->mig_enabled(), std::nullopt);
  EXPECT_TRUE(instance->mig_instances().empty());
}

TEST(RationedQuestion, IsAskedAsOftenAsItsCostAllows) {
  RationedQuestion question(0.001);
  EXPECT_TRUE(question.is_due(1));
  question.asked(1'000'000'000, 50'000'000);  // opens things
  EXPECT_TRUE(question.is_due(1'100'000'000));
  question.asked(1'100'000'000, 500'000);  // 0.5 ms at 0.1%: every 0.5 s
  EXPECT_FALSE(question.is_due(1'599'000'000));
  EXPECT_TRUE(question.is_due(1'601'000'000));
  int64_t asked = 0, cost_ns = 0;
  for (int64_t now = 2'000'000'000; now < 102'000'000'000; now += 100'000'000) {
    if (!question.is_due(now)) continue;
    const int64_t cost = asked++ % 2 == 0 ? 400'000 : 800'000;  // it varies
    cost_ns += cost;
    question.asked(now, cost);
  }
  EXPECT_NEAR(static_cast<double>(cost_ns) / 1e11, 0.001, 0.0002);
}

TEST_F(StandIn, ASampleHasTheDevicesFields) {
  DeviceSampler sampler(nvml_, "GPU-stand-in", 1e9);
  EXPECT_FALSE(sampler.device_gap());
  EXPECT_FALSE(sampler.counters_gap());
  TelemetrySample first, second;
  sampler.sample(first);
  EXPECT_EQ(first.energy_j, 0);
  EXPECT_EQ(first.sm_percent, std::nullopt);
  sleep_until_ns(now_ns() + s_to_ns(0.11));
  sampler.sample(second);
  EXPECT_EQ(second.sm_clock_mhz, 1365);
  EXPECT_EQ(second.memory_clock_mhz, 2619);
  EXPECT_NEAR(*second.power_w, 350.5, 1e-9);
  EXPECT_NEAR(*second.energy_j, 35, 1e-6);
  EXPECT_EQ(second.temperature_c, 45);
  EXPECT_EQ(second.gpu_percent, 99);
  EXPECT_EQ(second.memory_used_bytes, 10 * kGib);
  EXPECT_EQ(second.throttle_reasons, "power cap");
  EXPECT_EQ(second.graphics_percent, 1);
  EXPECT_EQ(second.sm_percent, 2);
  EXPECT_EQ(second.occupancy_percent, std::nullopt);  // failed
  EXPECT_EQ(second.tensor_percent, std::nullopt);     // no number
  EXPECT_EQ(second.dram_percent, 10);
  EXPECT_EQ(second.pcie_tx_mib_per_s, 20);
  EXPECT_EQ(second.pcie_rx_mib_per_s, 21);
  TelemetrySample too_soon;
  sampler.sample(too_soon);
  EXPECT_EQ(too_soon.sm_clock_mhz, 1365);
  EXPECT_EQ(too_soon.sm_percent, std::nullopt);
}

TEST_F(StandIn, AnInstanceHasItsMemoryAndTheGpusClocks) {
  DeviceSampler sampler(nvml_, "MIG-stand-in");
  TelemetrySample sample;
  sampler.sample(sample);
  EXPECT_EQ(sample.memory_used_bytes, 5 * kGib);
  EXPECT_EQ(sample.sm_clock_mhz, 1365);
}

TEST_F(StandIn, WatchesItsProcesses) {
  GpuProcessWatch watch(*device_);
  EXPECT_TRUE(watch.find({1}, true).gap);  // has not looked
  watch.look();
  std::set<pid_t> ours;
  for (pid_t pid = 1000; pid < 1099; ++pid) ours.insert(pid);
  const auto found = watch.find(ours, true);
  EXPECT_FALSE(found.gap);
  ASSERT_EQ(found.foreign.size(), 1u);
  EXPECT_THAT(found.foreign[0], testing::EndsWith("pid 1099"));
  EXPECT_TRUE(found.bystanders.empty());
  const auto unknown = watch.find({1}, true);
  EXPECT_TRUE(unknown.foreign.empty());
  EXPECT_THAT(unknown.gap.text(), testing::HasSubstr("none of the 100 that NVML lists is of this run"));
}

// Without memory of the device a program is foreign only when it uses its time.
TEST_F(StandIn, WhoIsListedAndDoesNothingStandsBy) {
  GpuProcessWatch watch(*device_);
  watch.look();
  std::set<pid_t> ours;
  for (pid_t pid = 1000; pid < 1100; ++pid)
    if (pid < 1049 || pid > 1052) ours.insert(pid);
  const auto found = watch.find(ours, true);
  EXPECT_THAT(found.foreign, testing::ElementsAre(testing::EndsWith("pid 1049"), testing::EndsWith("pid 1051")));
  EXPECT_THAT(found.bystanders, testing::ElementsAre(testing::EndsWith("pid 1050"), testing::EndsWith("pid 1052")));
}

}  // namespace
}  // namespace cotenant
