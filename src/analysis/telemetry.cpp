#include "analysis/telemetry.h"

#include <fmt/format.h>

namespace cotenant {
namespace {

class Mean {
 public:
  void add(const std::optional<double>& value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  std::optional<double> value() const { return count_ > 0 ? std::optional(sum_ / count_) : std::nullopt; }

 private:
  double sum_ = 0;
  int count_ = 0;
};

// Mean power by the energy counter, over the time between samples that follow each other and both lie in the window. It
// misses nothing between two samples, while a reading of the power is a mean over a time that the driver chooses.
class Energy {
 public:
  void add(const TelemetrySample& sample) {
    if (before_s_ && sample.energy_j) {
      energy_j_ += *sample.energy_j;
      time_s_ += sample.t_s - *before_s_;
    }
    before_s_ = sample.t_s;
  }
  std::optional<double> power_w() const { return time_s_ > 0 ? std::optional(energy_j_ / time_s_) : std::nullopt; }

 private:
  std::optional<double> before_s_;
  double energy_j_ = 0, time_s_ = 0;
};

void set_bound(DeviceAnalysis& device) {
  const auto says = [&](const char* bound, const char* what, double percent, const char* relation, double threshold) {
    device.bound = bound;
    device.bound_reason = fmt::format("{} {:.0f}% busy ({} {:.0f}%)", what, percent, relation, threshold);
  };
  if (device.dram_percent && *device.dram_percent >= memory_bound_dram_percent)
    return says("memory", "DRAM", *device.dram_percent, "at least", memory_bound_dram_percent);
  if (device.tensor_percent && *device.tensor_percent >= compute_bound_tensor_percent)
    return says("compute", "tensor cores", *device.tensor_percent, "at least", compute_bound_tensor_percent);
  if (!device.sm_percent) return;
  if (*device.sm_percent >= compute_bound_sm_percent)
    return says("compute", "SMs", *device.sm_percent, "at least", compute_bound_sm_percent);
  if (*device.sm_percent < host_bound_sm_percent)
    return says("host", "SMs", *device.sm_percent, "less than", host_bound_sm_percent);
  says("latency", "SMs", *device.sm_percent, "less than", compute_bound_sm_percent);
}

}  // namespace

void set_telemetry(DeviceAnalysis& device, const std::vector<TelemetrySample>& samples,
                   const std::optional<Interval>& window_s) {
  Energy energy;
  Mean clock, power, memory, sm, tensor, dram, occupancy;
  for (const TelemetrySample& sample : samples) {
    if (window_s && (sample.t_s < window_s->low || sample.t_s > window_s->high)) continue;
    ++device.telemetry_samples;
    energy.add(sample);
    device.throttled_samples += sample.throttle_reasons.has_value();
    clock.add(sample.sm_clock_mhz);
    power.add(sample.power_w);
    memory.add(sample.memory_used_bytes);
    sm.add(sample.sm_percent);
    tensor.add(sample.tensor_percent);
    dram.add(sample.dram_percent);
    occupancy.add(sample.occupancy_percent);
  }
  if (clock.value()) device.sm_clock_mhz = clock.value();
  device.power_w = power.value();
  device.memory_used_bytes = memory.value();
  device.sm_percent = sm.value();
  device.tensor_percent = tensor.value();
  device.dram_percent = dram.value();
  device.occupancy_percent = occupancy.value();
  const auto drawn_w = energy.power_w() ? energy.power_w() : device.power_w;
  if (drawn_w && device.tokens_per_s) device.joules_per_token = *drawn_w / *device.tokens_per_s;
  set_bound(device);
}

}  // namespace cotenant
