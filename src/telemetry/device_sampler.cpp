#include "telemetry/device_sampler.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace cotenant {
DeviceSampler::DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid,
                             int64_t energy_interval_ns)
    : energy_interval_ns_(energy_interval_ns) {
  device_ = nvml->device_by_uuid(uuid);
  if (!device_) {
    device_gap_ = {fmt::format("NVML knows no device {}", uuid), "compare with `nvidia-smi -L`"};
    return;
  }
  physical_ = device_->physical();
  counters_ = std::make_unique<GpmReader>(*physical_);
}

void DeviceSampler::sample(TelemetrySample& sample) {
  if (!device_) return;
  sample.sm_clock_mhz = physical_->sm_clock_mhz();
  sample.memory_clock_mhz = physical_->memory_clock_mhz();
  sample.power_w = physical_->power_w();
  sample.temperature_c = physical_->temperature_c();
  sample.gpu_percent = physical_->gpu_percent();
  if (const auto memory = device_->memory()) sample.memory_used_bytes = static_cast<double>(memory->used_bytes);
  const std::string throttled = throttle_words(physical_->clock_event_reasons().value_or(0));
  if (!throttled.empty()) sample.throttle_reasons = throttled;
  sample_energy(sample);
  const auto counters = counters_->read();
  if (!counters) return;
  sample.graphics_percent = counters->graphics_percent;
  sample.sm_percent = counters->sm_percent;
  sample.occupancy_percent = counters->occupancy_percent;
  sample.tensor_percent = counters->tensor_percent;
  sample.dram_percent = counters->dram_percent;
  sample.pcie_rx_mib_per_s = counters->pcie_rx_mib_per_s;
  sample.pcie_tx_mib_per_s = counters->pcie_tx_mib_per_s;
}

void DeviceSampler::sample_energy(TelemetrySample& sample) {
  if (energy_at_ns_ != 0 && now_ns() - energy_at_ns_ < energy_interval_ns_) return;
  energy_at_ns_ = now_ns();
  const auto energy_j = physical_->energy_j();
  if (!energy_j) return;
  if (!first_energy_j_) first_energy_j_ = energy_j;
  if (*energy_j >= *first_energy_j_) sample.energy_j = *energy_j - *first_energy_j_;
}

}  // namespace cotenant
