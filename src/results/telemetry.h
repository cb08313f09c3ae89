#pragma once

#include <fmt/format.h>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// telemetry.jsonl: what the machine did during a run, one line per sample in order of time. What could not be had is
// left out of the line. Everything about the device is of the whole device, never of one tenant. Of several devices
// each has a line of its own; what is of the machine stands in the first one's.
namespace cotenant {

// What one tenant's process used since the sample before; not in every sample; resident_bytes is a level.
struct TenantTelemetry {
  std::string name;
  std::optional<double> busy_cores;  // cpu_s over the time that passed
  std::optional<double> resident_bytes;
  std::optional<double> cpu_s;                                     // user and system, of all its threads
  std::optional<double> voluntary_switches, involuntary_switches;  // of contexts, of its threads that still live
};

struct TelemetrySample {
  double t_s = 0;                     // since T0; negative before it
  std::optional<std::string> device;  // "cuda:1", of several; absent: there is one

  // NVML
  std::optional<double> sm_clock_mhz, memory_clock_mhz, power_w, temperature_c, memory_used_bytes;
  std::optional<double> gpu_percent;            // of the time in which any kernel ran
  std::optional<double> energy_j;               // used since the first sample
  std::optional<std::string> throttle_reasons;  // "power cap, hardware thermal"; absent: not throttled, or not known
  // GPM counters, Hopper and later: means since the sample before
  std::optional<double> graphics_percent;  // of the time in which a compute or graphics program was active
  std::optional<double> sm_percent, occupancy_percent, tensor_percent, dram_percent;
  std::optional<double> pcie_rx_mib_per_s, pcie_tx_mib_per_s;  // to the device, from the device

  // /proc: what happened since the sample before
  std::optional<double> busy_cores;  // of the whole machine
  std::optional<double> host_memory_used_bytes;
  std::vector<double> cpu_percent;  // busy, of each CPU in order of its number
  // Of the time in which some task waited for a CPU, for memory, for a disk: /proc/pressure, "some".
  std::optional<double> cpu_stall_percent, memory_stall_percent, io_stall_percent;
  std::vector<TenantTelemetry> tenants;
};

// One line with its newline. What is not finite is left out.
void append_json(fmt::memory_buffer& out, const TelemetrySample& sample);

// A run of a day, sampled a hundred times a second.
inline constexpr size_t most_telemetry_samples = 8'640'000;

// All samples of a file. A torn last line is ignored; throws usage_error with "<file>:<line>" for any other line that
// is no sample and for a file with too many, and as LineReader does.
std::vector<TelemetrySample> read_telemetry(const std::filesystem::path& file);

}  // namespace cotenant
