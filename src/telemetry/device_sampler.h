#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "results/telemetry.h"
#include "telemetry/gpm.h"
#include "telemetry/nvml.h"
#include "telemetry/rationed_question.h"

namespace cotenant {

// Samples what NVML tells of one device. Of a MIG instance it tells the instance's memory; all else is the GPU's.
class DeviceSampler {
 public:
  // `most_cpu_share`: of one core, for all questions together.
  DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid, double most_cpu_share = 0.0045);

  // Fills in the device's fields; those that are dear on this device not in every call. Counters are those since they
  // were last read, so the first call has none; they also want 100 ms between two calls. Energy is that since the first
  // call.
  void sample(TelemetrySample& sample);

  const std::optional<NvmlDevice>& device() const { return device_; }  // none: see device_gap()
  const Gap& device_gap() const { return device_gap_; }
  Gap counters_gap() const { return counters_ ? counters_->gap() : Gap(); }

 private:
  void add_clocks(TelemetrySample& sample) const;
  void add_energy(TelemetrySample& sample);
  void add_counters(TelemetrySample& sample);

  std::optional<NvmlDevice> device_, physical_;
  Gap device_gap_;
  std::unique_ptr<GpmReader> counters_;
  std::optional<double> first_energy_j_;
  RationedQuestion ask_clocks_, ask_power_, ask_temperature_, ask_use_, ask_memory_, ask_energy_, ask_counters_;
};

}  // namespace cotenant
