#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "results/telemetry.h"
#include "telemetry/gpm.h"
#include "telemetry/nvml.h"

namespace cotenant {

// Something that is asked of a device again and again, but no more often than keeps what it costs below a share of one
// core. What a question costs depends on driver, device and load (on an H100 from 2 us to 7 ms), so that is measured.
class RationedQuestion {
 public:
  // `cpu_share`: of one core, for example 0.001.
  explicit RationedQuestion(double cpu_share) : cpu_share_(cpu_share) {}

  bool is_due(int64_t now_ns) const;
  // It was asked at this instant and took so much CPU time. The first time does not count: it may open things.
  void asked(int64_t at_ns, int64_t cost_ns);

 private:
  double cpu_share_;
  int64_t asked_ns_ = 0, times_ = 0;
  double cost_ns_ = 0;  // smoothed
};

// Samples what NVML tells of one device. Of a MIG instance it tells the instance's memory; all else is the GPU's.
class DeviceSampler {
 public:
  // `most_cpu_share`: of one core, for all questions together.
  DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid, double most_cpu_share = 0.0075);

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
