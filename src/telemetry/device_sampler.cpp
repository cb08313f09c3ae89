#include "telemetry/device_sampler.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace cotenant {
namespace {

// Asks if it is due, and notes what that cost.
template <class Ask>
void ask(RationedQuestion& question, Ask&& ask_device) {
  const int64_t at_ns = now_ns();
  if (!question.is_due(at_ns)) return;
  const int64_t before_ns = thread_cpu_ns();
  ask_device();
  question.asked(at_ns, thread_cpu_ns() - before_ns);
}

}  // namespace

bool RationedQuestion::is_due(int64_t now_ns) const {
  return times_ == 0 || static_cast<double>(now_ns - asked_ns_) * cpu_share_ >= cost_ns_;
}

void RationedQuestion::asked(int64_t at_ns, int64_t cost_ns) {
  asked_ns_ = at_ns;
  ++times_;
  if (times_ == 2) cost_ns_ = static_cast<double>(cost_ns);
  if (times_ > 2) cost_ns_ += (static_cast<double>(cost_ns) - cost_ns_) / 4;
}

// Clocks and counters get the most: they stand beside every slowdown.
DeviceSampler::DeviceSampler(const std::shared_ptr<const Nvml>& nvml, const std::string& uuid, double most_cpu_share)
    : ask_clocks_(most_cpu_share * 0.25),
      ask_power_(most_cpu_share * 0.15),
      ask_temperature_(most_cpu_share * 0.05),
      ask_use_(most_cpu_share * 0.05),
      ask_memory_(most_cpu_share * 0.05),
      ask_energy_(most_cpu_share * 0.2),
      ask_counters_(most_cpu_share * 0.25) {
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
  ask(ask_clocks_, [&] { add_clocks(sample); });
  ask(ask_power_, [&] { sample.power_w = physical_->power_w(); });
  ask(ask_temperature_, [&] { sample.temperature_c = physical_->temperature_c(); });
  ask(ask_use_, [&] { sample.gpu_percent = physical_->gpu_percent(); });
  ask(ask_memory_, [&] {
    if (const auto memory = device_->memory()) sample.memory_used_bytes = static_cast<double>(memory->used_bytes);
  });
  ask(ask_energy_, [&] { add_energy(sample); });
  ask(ask_counters_, [&] { add_counters(sample); });
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
