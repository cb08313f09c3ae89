#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/load.h"
#include "results/telemetry.h"

// What telemetry.jsonl says of a run, and what the run was bound by.
namespace cotenant {

// From which values on something counts as what bounds a run; in percent of its ceiling. The counters do not reach 100:
// on an H100 a saturating product reads tensor 82, SM 85, DRAM 23.
constexpr double host_bound_share_percent = 30;  // of latency that is spent outside of the device
constexpr double memory_bound_dram_percent = 60;
constexpr double compute_bound_tensor_percent = 60;
constexpr double compute_bound_sm_percent = 80;
constexpr double host_bound_sm_percent = 50;  // below it the device may be waiting for its programs

// Means over the samples of a window that have the value.
struct TelemetryMeans {
  bool on_cpu = false;                                   // where there are no such counters
  size_t samples = 0, clock_samples = 0, throttled = 0;  // clock_samples: that tell of the clocks
  std::optional<double> sm_clock_mhz, power_w, memory_used_bytes;
  std::optional<double> drawn_w;  // by the energy counter where there is one, else power_w
  std::optional<double> sm_percent, tensor_percent, dram_percent, occupancy_percent;
};

// Without a window over all samples. `device`: of several; samples that name another do not count.
TelemetryMeans mean_telemetry(const std::vector<TelemetrySample>& samples, const std::optional<Interval>& window_s,
                              const std::string& device = "");

// Of one run's telemetry.jsonl over its window, of each device as in its record; the clock is that of experiment.json
// where there are no samples of it. Throws as read_telemetry does.
std::vector<TelemetryMeans> telemetry_of(const LoadedExperiment& experiment);

// Of several devices: sums of samples, power and memory, means of clocks and utilisations. A figure that one of them
// lacks is unknown.
TelemetryMeans together(std::span<const TelemetryMeans> devices);

// Share of the latency that is spent outside of the device, in percent: 100 (1 - gpu_ms / latency), of the sums over
// the iterations that count and have both. nullopt without any.
std::optional<double> host_share_percent(const Samples& samples);

struct Bound {
  std::string by;      // "host", "memory", "compute", "latency"; empty: unknown
  std::string reason;  // with the threshold; why it is unknown
};

// A tenant's, from its run alone: host if the share is large, memory if DRAM is near its ceiling, compute if the tensor
// cores or SMs are near theirs, else latency.
Bound bound_alone(const TelemetryMeans& means, const std::optional<double>& host_share_percent);

// Fills the bound of a tenant, from its run alone.
void set_bound(TenantAnalysis& tenant, const TelemetryMeans& means, const LoadedTenant& alone);

// The device's, of all tenants together. Here the time outside of the device may be a wait for other tenants, so that
// it makes a host-bound device only where SMs idle as well.
Bound bound_of_device(const TelemetryMeans& means, const std::optional<double>& host_share_percent);

// Fills the means over the window, the counts of samples, joules per token and what bounds the device.
// `host_share_percent`: the least of all tenants', because one that keeps the device busy is enough.
void set_telemetry(DeviceAnalysis& device, const TelemetryMeans& means,
                   const std::optional<double>& host_share_percent);

}  // namespace cotenant
