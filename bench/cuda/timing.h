#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "gpu_state.h"

namespace cotenant {

struct TimingOptions {
  double load_s = 1;     // before the first sample: clocks settle within a second
  double measure_s = 2;  // at least
  int least = 20;        // samples
};

// Calls `iteration` until clocks have settled and then until there are enough samples: what it returns, in ms.
std::vector<double> measure(const TimingOptions& options, GpuState& state, const std::function<double()>& iteration);

// p50, p99, mean, count; spread: (p99 - p50) / p50 of the first 1,000.
nlohmann::json summarise(const std::vector<double>& samples_ms);

// SM clock and what held it down.
nlohmann::json to_json(const GpuState& state);

// What the device can do, measured: half-precision products of 8192^3 on random data, copying within its memory (bytes
// read and written), and copying from pinned host memory.
struct Ceilings {
  double tflops = 0;
  double copy_gbs = 0;
  double link_gbs = 0;
};
Ceilings measure_ceilings(const TimingOptions& options, GpuState& state);

}  // namespace cotenant
