#include "telemetry/nvml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "telemetry/device_sampler.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

TEST(Nvml, SaysWhyWhereThereIsNone) {
  Gap gap;
  EXPECT_EQ(Nvml::open(gap, "libthere-is-no-such-library.so.1"), nullptr);
  EXPECT_TRUE(gap);
  EXPECT_THAT(gap.what, HasSubstr("libthere-is-no-such-library.so.1 cannot be loaded"));
  EXPECT_THAT(gap.remedy, HasSubstr("install the NVIDIA driver"));
}

TEST(Nvml, RefusesAnotherLibrary) {
  Gap gap;
  EXPECT_EQ(Nvml::open(gap, "libm.so.6"), nullptr);
  EXPECT_THAT(gap.text(), HasSubstr("libm.so.6 is not NVIDIA's management library: install"));
}

TEST(ThrottleWords, NamesWhatLowersClocksUnderLoad) {
  EXPECT_EQ(throttle_words(0), "");
  EXPECT_EQ(throttle_words(0x1), "");  // idle
  EXPECT_EQ(throttle_words(0x4), "power cap");
  EXPECT_EQ(throttle_words(0x1 | 0x4 | 0x40), "power cap, hardware thermal");
  EXPECT_EQ(throttle_words(0x1fe),
            "application clocks, power cap, hardware slowdown, sync boost, software thermal, hardware thermal, "
            "hardware power brake, display clock");
  EXPECT_EQ(throttle_words(uint64_t{1} << 40), "");  // a bit of the future
}

// On a machine with a GPU.
class NvmlOnADevice : public testing::Test {
 protected:
  void SetUp() override {
    Gap gap;
    nvml_ = Nvml::open(gap);
    if (!nvml_) GTEST_SKIP() << gap.text();
    if (nvml_->device_count() == 0) GTEST_SKIP() << "NVML knows no GPU";
    device_ = nvml_->device_by_index(0);
    ASSERT_TRUE(device_);
  }

  std::shared_ptr<const Nvml> nvml_;
  std::optional<NvmlDevice> device_;
};

TEST_F(NvmlOnADevice, TellsWhatItIs) {
  EXPECT_FALSE(nvml_->driver_version().empty());
  EXPECT_FALSE(device_->name().empty());
  EXPECT_THAT(device_->uuid(), testing::StartsWith("GPU-"));
  const auto again = nvml_->device_by_uuid(device_->uuid());
  ASSERT_TRUE(again);
  EXPECT_EQ(again->uuid(), device_->uuid());
  EXPECT_FALSE(nvml_->device_by_uuid("GPU-00000000-0000-0000-0000-000000000000"));
  EXPECT_FALSE(nvml_->device_by_index(nvml_->device_count()));
  const auto memory = device_->memory();
  ASSERT_TRUE(memory);
  EXPECT_GT(memory->total_bytes, uint64_t{1} << 30);
  EXPECT_LE(memory->used_bytes, memory->total_bytes);
  EXPECT_LE(memory->free_bytes, memory->total_bytes);
  EXPECT_TRUE(device_->compute_processes()) << "driver " << nvml_->driver_version();
  EXPECT_EQ(device_->physical().uuid(), device_->uuid());
  for (const MigInstance& instance : device_->mig_instances()) EXPECT_THAT(instance.uuid, testing::StartsWith("MIG-"));
}

TEST_F(NvmlOnADevice, SamplesClocksPowerAndMemory) {
  DeviceSampler sampler(nvml_, device_->uuid(), 1e9);
  ASSERT_TRUE(sampler.device()) << sampler.device_gap().text();
  TelemetrySample first, second;
  sampler.sample(first);
  EXPECT_FALSE(first.sm_percent);
  sleep_until_ns(now_ns() + s_to_ns(0.25));
  sampler.sample(second);
  for (const auto& [name, value, least, most] :
       {std::tuple{"sm_clock_mhz", second.sm_clock_mhz, 10.0, 10'000.0},
        std::tuple{"memory_clock_mhz", second.memory_clock_mhz, 10.0, 20'000.0},
        std::tuple{"power_w", second.power_w, 1.0, 3'000.0},
        std::tuple{"temperature_c", second.temperature_c, 1.0, 120.0},
        std::tuple{"memory_used_bytes", second.memory_used_bytes, 1.0, 1e13}}) {
    ASSERT_TRUE(value) << name;
    EXPECT_GE(*value, least) << name;
    EXPECT_LE(*value, most) << name;
  }
  EXPECT_LE(*second.sm_clock_mhz, device_->max_sm_clock_mhz().value_or(1e6));
  if (device_->energy_j()) {
    ASSERT_TRUE(second.energy_j);
    EXPECT_GE(*second.energy_j, 0);
    EXPECT_LE(*second.energy_j, 3'000);  // 3 kW for a second
  }
  if (sampler.counters_gap()) GTEST_SKIP() << "no counters: " << sampler.counters_gap().text();
  for (const auto& [name, value] :
       {std::pair{"graphics", second.graphics_percent}, std::pair{"sm", second.sm_percent},
        std::pair{"occupancy", second.occupancy_percent}, std::pair{"tensor", second.tensor_percent},
        std::pair{"dram", second.dram_percent}}) {
    ASSERT_TRUE(value) << name;
    EXPECT_GE(*value, 0) << name;
    EXPECT_LE(*value, 100.5) << name;
  }
  EXPECT_GE(second.pcie_rx_mib_per_s.value_or(-1), 0);
  EXPECT_GE(second.pcie_tx_mib_per_s.value_or(-1), 0);
}

// The driver would answer with zeros.
TEST_F(NvmlOnADevice, AsksForNoCountersWithin100Milliseconds) {
  GpmReader reader(*device_);
  if (reader.gap()) GTEST_SKIP() << "no counters: " << reader.gap().text();
  EXPECT_FALSE(reader.read());
  EXPECT_FALSE(reader.read());
  sleep_until_ns(now_ns() + s_to_ns(0.12));
  EXPECT_TRUE(reader.read()) << reader.gap().text();
  EXPECT_FALSE(reader.read());
}

TEST_F(NvmlOnADevice, SaysWhenADeviceIsUnknown) {
  DeviceSampler sampler(nvml_, "GPU-00000000-0000-0000-0000-000000000000");
  EXPECT_FALSE(sampler.device());
  EXPECT_THAT(sampler.device_gap().text(), HasSubstr("nvidia-smi -L"));
  TelemetrySample sample;
  sampler.sample(sample);
  EXPECT_FALSE(sample.power_w);
}

}  // namespace
}  // namespace cotenant
