#include "telemetry/device_sampler.h"

#include <fmt/format.h>

namespace cotenant {

namespace {

constexpr int64_t second_ns = 1'000'000'000;

}  // namespace

// Clocks and counters get the most: they stand beside every slowdown, and a run of some seconds must have them.
DeviceSampler::DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid, double most_cpu_share)
    : ask_clocks_(most_cpu_share * 0.25, second_ns),
      ask_power_(most_cpu_share * 0.1),
      ask_temperature_(most_cpu_share * 0.05),
      ask_use_(most_cpu_share * 0.05),
      ask_memory_(most_cpu_share * 0.05),
      ask_energy_(most_cpu_share * 0.15),
      ask_counters_(most_cpu_share * 0.35, second_ns) {
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
  ask_clocks_.ask([&] { add_clocks(sample); });
  ask_power_.ask([&] { sample.power_w = physical_->power_w(); });
  ask_temperature_.ask([&] { sample.temperature_c = physical_->temperature_c(); });
  ask_use_.ask([&] { sample.gpu_percent = physical_->gpu_percent(); });
  ask_memory_.ask([&] {
    if (const auto memory = device_->memory()) sample.memory_used_bytes = static_cast<double>(memory->used_bytes);
  });
  ask_energy_.ask([&] { add_energy(sample); });
  ask_counters_.ask([&] { add_counters(sample); });
}

void DeviceSampler::add_clocks(TelemetrySample& sample) const {
  sample.sm_clock_mhz = physical_->sm_clock_mhz();
  sample.memory_clock_mhz = physical_->memory_clock_mhz();
  const std::string throttled = throttle_words(physical_->clock_event_reasons().value_or(0));
  if (!throttled.empty()) sample.throttle_reasons = throttled;
}

void DeviceSampler::add_energy(TelemetrySample& sample) {
  const auto energy_j = physical_->energy_j();
  if (!energy_j) return;
  if (!first_energy_j_) first_energy_j_ = energy_j;
  if (*energy_j >= *first_energy_j_) sample.energy_j = *energy_j - *first_energy_j_;
}

void DeviceSampler::add_counters(TelemetrySample& sample) {
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

}  // namespace cotenant
