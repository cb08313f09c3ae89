#pragma once

#include "analysis/analysis.h"
#include "results/telemetry.h"

namespace cotenant {

// From which means over the window a device counts as bound by something; in percent of its ceiling.
constexpr double memory_bound_dram_percent = 60;
constexpr double compute_bound_tensor_percent = 60;
constexpr double compute_bound_sm_percent = 80;
constexpr double host_bound_sm_percent = 50;  // below it the device waits for its programs

// Fills the means over the window, the counts of samples, joules per token (by the energy counter where there is one,
// else by the readings of the power) and what bounds the device. Without a window over all samples.
void set_telemetry(DeviceAnalysis& device, const std::vector<TelemetrySample>& samples,
                   const std::optional<Interval>& window_s);

}  // namespace cotenant
