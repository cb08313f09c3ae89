#include "results/telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

std::string line_of(const TelemetrySample& sample) {
  fmt::memory_buffer line;
  append_json(line, sample);
  return fmt::to_string(line);
}

TelemetrySample full_sample() {
  TelemetrySample s;
  s.t_s = -0.25;
  double value = 1;
  for (auto field :
       {&TelemetrySample::sm_clock_mhz, &TelemetrySample::memory_clock_mhz, &TelemetrySample::power_w,
        &TelemetrySample::temperature_c, &TelemetrySample::memory_used_bytes, &TelemetrySample::gpu_percent,
        &TelemetrySample::energy_j, &TelemetrySample::graphics_percent, &TelemetrySample::sm_percent,
        &TelemetrySample::occupancy_percent, &TelemetrySample::tensor_percent, &TelemetrySample::dram_percent,
        &TelemetrySample::pcie_rx_mib_per_s, &TelemetrySample::pcie_tx_mib_per_s, &TelemetrySample::busy_cores,
        &TelemetrySample::host_memory_used_bytes, &TelemetrySample::cpu_stall_percent,
        &TelemetrySample::memory_stall_percent, &TelemetrySample::io_stall_percent})
    s.*field = value++ + 0.5;
  s.throttle_reasons = "power cap, hardware thermal";
  s.cpu_percent = {0, 12.5, 100};
  TenantTelemetry tenant;
  tenant.name = "org/a \"name\"";
  tenant.busy_cores = 0.5;
  tenant.resident_bytes = 1e9;
  tenant.cpu_s = 0.05;
  tenant.voluntary_switches = 7;
  tenant.involuntary_switches = 0;
  s.tenants = {tenant, TenantTelemetry{"b", {}, {}, {}, {}, {}}};
  return s;
}

TEST(Telemetry, ReadsBackWhatItWrote) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "telemetry.jsonl";
  const std::string text = line_of(full_sample()) + line_of(TelemetrySample());
  std::ofstream(file) << text;
  const auto samples = read_telemetry(file);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(line_of(samples[0]) + line_of(samples[1]), text);
  EXPECT_EQ(samples[0].t_s, -0.25);
  EXPECT_EQ(samples[0].energy_j, 7.5);
  EXPECT_EQ(samples[0].pcie_rx_mib_per_s, 13.5);
  EXPECT_EQ(samples[0].pcie_tx_mib_per_s, 14.5);
  EXPECT_EQ(samples[0].io_stall_percent, 19.5);
  EXPECT_EQ(samples[0].throttle_reasons, "power cap, hardware thermal");
  EXPECT_THAT(samples[0].cpu_percent, testing::ElementsAre(0, 12.5, 100));
  ASSERT_EQ(samples[0].tenants.size(), 2u);
  EXPECT_EQ(samples[0].tenants[0].cpu_s, 0.05);
  EXPECT_EQ(samples[0].tenants[0].voluntary_switches, 7);
  EXPECT_EQ(samples[0].tenants[0].involuntary_switches, 0);
  EXPECT_FALSE(samples[0].tenants[1].cpu_s);
  EXPECT_FALSE(samples[1].power_w);
}

TEST(Telemetry, ReadsWhatPassedThroughOtherTools) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "telemetry.jsonl";
  std::ofstream(file) << "\xef\xbb\xbf{\"t_s\": 1}\r\n\r\n{\"t_s\": 2.0}\r\n{\"t_s\": 3, \"pow";
  const auto samples = read_telemetry(file);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].t_s, 2);
}

TEST(Telemetry, NamesALineThatIsNone) {
  const TemporaryDirectory directory;
  const auto file = directory.path() / "telemetry.jsonl";
  const auto refusal = [&](const std::string& line) -> std::string {
    std::ofstream(file) << "{\"t_s\": 1}\n" << line << "\n";
    try {
      read_telemetry(file);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "no error";
  };
  const std::string place = file.string() + ":2: ";
  EXPECT_THAT(refusal("{\"t_s\": "), testing::HasSubstr(place));
  EXPECT_THAT(refusal("{\"tenants\": " + std::string(200'000, '[')), testing::HasSubstr(place + "is nested"));
  std::ofstream(file) << "{\"t_s\": 1}\n";
  std::filesystem::resize_file(file, uintmax_t{3} << 30);
  EXPECT_THROW(read_telemetry(file), Error);
}

TEST(Telemetry, LeavesOutWhatIsNotKnownOrNoNumber) {
  TelemetrySample sample;
  sample.dram_percent = std::numeric_limits<double>::quiet_NaN();
  sample.power_w = std::numeric_limits<double>::infinity();
  EXPECT_EQ(nlohmann::json::parse(line_of(sample)), nlohmann::json::parse(R"({"t_s": 0.0})"));
}

}  // namespace
}  // namespace cotenant
