#include "analysis/telemetry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "base/open_file.h"
#include "base/text.h"
#include "stats/running_mean.h"

namespace cotenant {
namespace {

// Mean power by the energy counter, between the first and the last reading in the window. It misses nothing, while a
// reading of the power is a mean over a time that the driver chooses.
class Energy {
 public:
  void add(const TelemetrySample& sample) {
    if (!sample.energy_j) return;
    if (!first_) first_ = {sample.t_s, *sample.energy_j};
    last_ = {sample.t_s, *sample.energy_j};
  }
  std::optional<double> power_w() const {
    if (!first_ || last_.t_s <= first_->t_s) return std::nullopt;
    return (last_.energy_j - first_->energy_j) / (last_.t_s - first_->t_s);
  }

 private:
  struct Reading {
    double t_s = 0, energy_j = 0;
  };
  std::optional<Reading> first_;
  Reading last_;
};

std::string busy(const char* what, double percent, const char* relation, double threshold) {
  return fmt::format("{} {}% busy ({} {}%)", what, format_fixed(percent, 0), relation, format_fixed(threshold, 0));
}

std::string outside(double share_percent, const char* relation) {
  return fmt::format("{}% of the latency is spent outside of the device ({} {}%)", format_fixed(share_percent, 0),
                     relation, format_fixed(host_bound_share_percent, 0));
}

bool has_counters(const TelemetryMeans& means) {
  return means.sm_percent || means.tensor_percent || means.dram_percent;
}

// Whatever part of the device is near its ceiling.
std::optional<Bound> near_a_ceiling(const TelemetryMeans& means) {
  if (means.dram_percent && *means.dram_percent >= memory_bound_dram_percent)
    return Bound{"memory", busy("DRAM", *means.dram_percent, "at least", memory_bound_dram_percent)};
  if (means.tensor_percent && *means.tensor_percent >= compute_bound_tensor_percent)
    return Bound{"compute", busy("tensor cores", *means.tensor_percent, "at least", compute_bound_tensor_percent)};
  if (means.sm_percent && *means.sm_percent >= compute_bound_sm_percent)
    return Bound{"compute", busy("SMs", *means.sm_percent, "at least", compute_bound_sm_percent)};
  return std::nullopt;
}

// Nothing is near its ceiling: all that is known of it.
Bound latency_bound(const TelemetryMeans& means, const std::optional<double>& host_share) {
  std::vector<std::string> below;
  if (means.sm_percent) below.push_back(busy("SMs", *means.sm_percent, "less than", compute_bound_sm_percent));
  if (means.tensor_percent)
    below.push_back(busy("tensor cores", *means.tensor_percent, "less than", compute_bound_tensor_percent));
  if (means.dram_percent) below.push_back(busy("DRAM", *means.dram_percent, "less than", memory_bound_dram_percent));
  if (host_share && *host_share < host_bound_share_percent) below.push_back(outside(*host_share, "less than"));
  return {"latency", fmt::format("{}", fmt::join(below, ", "))};
}

Bound unknown_bound(const TelemetryMeans& means) {
  if (means.on_cpu) return {"", "the CPU has no counters of what it is busy with"};
  return {"", means.samples == 0 ? "no sample of the device's telemetry lies in the window"
                                 : "telemetry has no counters of the device (GPUs have them from Hopper on)"};
}

}  // namespace

TelemetryMeans mean_telemetry(const std::vector<TelemetrySample>& samples, const std::optional<Interval>& window_s,
                              const std::string& device) {
  TelemetryMeans means;
  Energy energy;
  RunningMean clock, power, memory, sm, tensor, dram, occupancy;
  for (const TelemetrySample& sample : samples) {
    if (sample.device && *sample.device != device) continue;
    if (window_s && (sample.t_s < window_s->low || sample.t_s > window_s->high)) continue;
    ++means.samples;
    energy.add(sample);
    means.clock_samples += sample.sm_clock_mhz || sample.throttle_reasons;
    means.throttled += sample.throttle_reasons.has_value();
    clock.add(sample.sm_clock_mhz);
    power.add(sample.power_w);
    memory.add(sample.memory_used_bytes);
    sm.add(sample.sm_percent);
    tensor.add(sample.tensor_percent);
    dram.add(sample.dram_percent);
    occupancy.add(sample.occupancy_percent);
  }
  means.sm_clock_mhz = clock.value();
  means.power_w = power.value();
  means.memory_used_bytes = memory.value();
  means.sm_percent = sm.value();
  means.tensor_percent = tensor.value();
  means.dram_percent = dram.value();
  means.occupancy_percent = occupancy.value();
  means.drawn_w = energy.power_w() ? energy.power_w() : means.power_w;
  return means;
}

std::vector<TelemetryMeans> telemetry_of(const LoadedExperiment& experiment) {
  const auto file = experiment.directory / "telemetry.jsonl";
  std::optional<Interval> window_s;
  if (experiment.window) window_s = Interval{experiment.window->start_s, experiment.window->end_s};
  const auto samples = is_real_file(file) ? read_telemetry(file) : std::vector<TelemetrySample>{};
  if (!experiment.record) return {mean_telemetry(samples, window_s)};
  std::vector<TelemetryMeans> all;
  for (const DeviceRecord& device : experiment.record->devices) {
    TelemetryMeans& means = all.emplace_back(mean_telemetry(samples, window_s, device.device));
    means.on_cpu = experiment.record->settings.device.starts_with("cpu");
    if (!means.sm_clock_mhz) means.sm_clock_mhz = device.sm_clock_mhz;
  }
  return all;
}

TelemetryMeans together(std::span<const TelemetryMeans> devices) {
  if (devices.size() == 1) return devices.front();
  TelemetryMeans all;
  for (const TelemetryMeans& device : devices) {
    all.on_cpu |= device.on_cpu;
    all.samples += device.samples;
    all.clock_samples += device.clock_samples;
    all.throttled += device.throttled;
  }
  using Field = std::optional<double> TelemetryMeans::*;
  const auto add_up = [&](Field field, double divisor) {
    double sum = 0;
    for (const TelemetryMeans& device : devices) {
      if (!(device.*field)) return;
      sum += *(device.*field);
    }
    all.*field = sum / divisor;
  };
  using M = TelemetryMeans;
  const auto count = static_cast<double>(devices.size());
  for (const Field sum : {&M::power_w, &M::drawn_w, &M::memory_used_bytes}) add_up(sum, 1);
  for (const Field mean :
       {&M::sm_clock_mhz, &M::sm_percent, &M::tensor_percent, &M::dram_percent, &M::occupancy_percent})
    add_up(mean, count);
  return all;
}

std::optional<double> host_share_percent(const Samples& samples) {
  double gpu_ms = 0, latency_ms = 0;
  for (size_t i = 0; i < samples.gpu_ms.size(); ++i) {
    if (!samples.counts[i] || std::isnan(samples.gpu_ms[i])) continue;
    gpu_ms += samples.gpu_ms[i];
    latency_ms += samples.latency_ms[i];
  }
  return latency_ms > 0 ? std::optional(100 * (1 - gpu_ms / latency_ms)) : std::nullopt;
}

Bound bound_alone(const TelemetryMeans& means, const std::optional<double>& host_share) {
  if (host_share && *host_share >= host_bound_share_percent) return {"host", outside(*host_share, "at least")};
  return bound_of_device(means, host_share);
}

void set_bound(TenantAnalysis& tenant, const TelemetryMeans& means, const LoadedTenant& alone) {
  const Bound bound = bound_alone(means, host_share_percent(alone.samples));
  tenant.bound = bound.by;
  tenant.bound_reason = bound.reason;
}

Bound bound_of_device(const TelemetryMeans& means, const std::optional<double>& host_share) {
  if (const auto bound = near_a_ceiling(means)) return *bound;
  if (!has_counters(means)) return unknown_bound(means);
  const bool idle = means.sm_percent && *means.sm_percent < host_bound_sm_percent;
  if (!idle || (host_share && *host_share < host_bound_share_percent)) return latency_bound(means, host_share);
  const std::string sms = busy("SMs", *means.sm_percent, "less than", host_bound_sm_percent);
  return {"host", host_share ? sms + ", and " + outside(*host_share, "at least") : sms};
}

void set_telemetry(DeviceAnalysis& device, const TelemetryMeans& means, const std::optional<double>& host_share) {
  device.telemetry_samples = means.samples;
  device.clock_samples = means.clock_samples;
  device.throttled_samples = means.throttled;
  device.sm_clock_mhz = means.sm_clock_mhz;
  device.power_w = means.power_w;
  device.memory_used_bytes = means.memory_used_bytes;
  device.sm_percent = means.sm_percent;
  device.tensor_percent = means.tensor_percent;
  device.dram_percent = means.dram_percent;
  device.occupancy_percent = means.occupancy_percent;
  if (means.drawn_w && device.tokens_per_s) device.joules_per_token = *means.drawn_w / *device.tokens_per_s;
  const Bound bound = bound_of_device(means, host_share);
  device.bound = bound.by;
  device.bound_reason = bound.reason;
}

}  // namespace cotenant
