#include "gpu_state.h"

#include "engine/native/cuda/device.h"
#include "stats/describe.h"

namespace cotenant {

GpuState::GpuState(int device) {
  Gap gap;
  const auto nvml = Nvml::open(gap);
  const CudaStatus status = query_status();
  const auto index = static_cast<size_t>(device);
  if (nvml && index < status.devices.size()) device_ = nvml->device_by_uuid(status.devices[index].uuid);
}

void GpuState::sample() {
  if (!device_) return;
  if (const auto mhz = device_->sm_clock_mhz()) mhz_.push_back(*mhz);
  reasons_ |= device_->clock_event_reasons().value_or(0);
}

int GpuState::sm_mhz() const {
  return mhz_.empty() ? 0 : static_cast<int>(median(mhz_));
}

std::string GpuState::held_by() const {
  const std::string words = throttle_words(reasons_);
  return words.empty() ? "none" : words;
}

std::string GpuState::driver() const {
  return device_ ? device_->nvml()->driver_version() : "";
}

}  // namespace cotenant
