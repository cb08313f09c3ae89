#include "gpu_state.h"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <utility>

namespace cotenant {
namespace {

template <typename Function>
Function symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(library ? dlsym(library, name) : nullptr);
}

}  // namespace

GpuState::GpuState(int device) : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  const auto init = symbol<int (*)()>(library_, "nvmlInit_v2");
  const auto handle = symbol<int (*)(const char*, void**)>(library_, "nvmlDeviceGetHandleByPciBusId_v2");
  std::array<char, 32> bus{};  // NVML counts devices otherwise than CUDA
  if (cudaDeviceGetPCIBusId(bus.data(), static_cast<int>(bus.size()), device) != cudaSuccess) return;
  if (!init || !handle || init() != 0 || handle(bus.data(), &device_) != 0) return;
  clock_ = symbol<decltype(clock_)>(library_, "nvmlDeviceGetClockInfo");
  reasons_of_ = symbol<decltype(reasons_of_)>(library_, "nvmlDeviceGetCurrentClocksEventReasons");
  if (!reasons_of_)  // its name before driver 535
    reasons_of_ = symbol<decltype(reasons_of_)>(library_, "nvmlDeviceGetCurrentClocksThrottleReasons");
}

GpuState::~GpuState() {
  if (const auto shutdown = symbol<int (*)()>(library_, "nvmlShutdown")) shutdown();
  if (library_) dlclose(library_);
}

void GpuState::sample() {
  constexpr int sm_clock = 1;  // NVML_CLOCK_SM
  unsigned mhz = 0;
  unsigned long long reasons = 0;
  if (clock_ && clock_(device_, sm_clock, &mhz) == 0) mhz_.push_back(static_cast<int>(mhz));
  if (reasons_of_ && reasons_of_(device_, &reasons) == 0) reasons_ |= reasons;
}

int GpuState::sm_mhz() const {
  if (mhz_.empty()) return 0;
  std::vector<int> sorted = mhz_;
  std::sort(sorted.begin(), sorted.end());
  return sorted[sorted.size() / 2];
}

std::string GpuState::driver() const {
  const auto version = symbol<int (*)(char*, unsigned)>(library_, "nvmlSystemGetDriverVersion");
  std::array<char, 96> text{};
  if (!version || version(text.data(), text.size()) != 0) return "";
  return text.data();
}

std::string describe_event_reasons(uint64_t reasons) {
  // nvml.h, nvmlClocksEventReason*
  static constexpr std::array<std::pair<uint64_t, const char*>, 8> names{{{0x1, "idle"},
                                                                          {0x2, "application clocks"},
                                                                          {0x4, "power cap"},
                                                                          {0x8, "hardware slowdown"},
                                                                          {0x20, "thermal, software"},
                                                                          {0x40, "thermal, hardware"},
                                                                          {0x80, "power brake"},
                                                                          {0x100, "display clocks"}}};
  std::string text;
  for (const auto& [bit, name] : names)
    if (reasons & bit) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "none" : text;
}

}  // namespace cotenant
