#pragma once

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
  DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid);

  // Fills in the device's fields; about 1 ms. Counters and energy are those since the call before, so the first one has
  // none; counters also want 100 ms between two calls.
  void sample(TelemetrySample& sample);

  const std::optional<NvmlDevice>& device() const { return device_; }  // none: see device_gap()
  const Gap& device_gap() const { return device_gap_; }
  Gap counters_gap() const { return counters_ ? counters_->gap() : Gap(); }

 private:
  std::optional<NvmlDevice> device_, physical_;
  Gap device_gap_;
  std::unique_ptr<GpmReader> counters_;
  std::optional<double> energy_j_;  // at the call before
};

}  // namespace cotenant
