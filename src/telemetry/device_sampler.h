#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "results/telemetry.h"
#include "telemetry/gpm.h"
#include "telemetry/nvml.h"

namespace cotenant {

// Samples what NVML tells of one device. Of a MIG instance it tells the instance's memory; all else is the GPU's.
class DeviceSampler {
 public:
  // The energy counter is read no more often than `energy_interval_ns`: one reading takes 3.5 ms of a core (an H100
  // with driver 580), everything else together 0.1 ms.
  DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid,
                int64_t energy_interval_ns = 2'000'000'000);

  // Fills in the device's fields. Counters are those since the call before, so the first one has none; they also want
  // 100 ms between two calls. Energy is that since the first call.
  void sample(TelemetrySample& sample);

  const std::optional<NvmlDevice>& device() const { return device_; }  // none: see device_gap()
  const Gap& device_gap() const { return device_gap_; }
  Gap counters_gap() const { return counters_ ? counters_->gap() : Gap(); }

 private:
  void sample_energy(TelemetrySample& sample);

  const int64_t energy_interval_ns_;
  std::optional<NvmlDevice> device_, physical_;
  Gap device_gap_;
  std::unique_ptr<GpmReader> counters_;
  std::optional<double> first_energy_j_;
  int64_t energy_at_ns_ = 0;  // when the counter was last read; 0: never
};

}  // namespace cotenant
