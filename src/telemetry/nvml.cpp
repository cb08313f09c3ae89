#include "telemetry/nvml.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include "telemetry/nvml_api.h"

namespace cotenant {
namespace {

constexpr const char* kInstall =
    "install the NVIDIA driver's libraries; a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility";

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
}

void find_all(void* library, nvml::Api& api) {
#define COTENANT_FIND(name) find(library, #name, api.name)
  COTENANT_FIND(nvmlInit_v2);
  COTENANT_FIND(nvmlShutdown);
  COTENANT_FIND(nvmlErrorString);
  COTENANT_FIND(nvmlSystemGetDriverVersion);
  COTENANT_FIND(nvmlDeviceGetCount_v2);
  COTENANT_FIND(nvmlDeviceGetHandleByIndex_v2);
  COTENANT_FIND(nvmlDeviceGetHandleByUUID);
  COTENANT_FIND(nvmlDeviceGetName);
  COTENANT_FIND(nvmlDeviceGetUUID);
  COTENANT_FIND(nvmlDeviceGetMemoryInfo);
  COTENANT_FIND(nvmlDeviceGetComputeRunningProcesses_v3);
  COTENANT_FIND(nvmlDeviceGetProcessUtilization);
  COTENANT_FIND(nvmlDeviceGetMigMode);
  COTENANT_FIND(nvmlDeviceGetMaxMigDeviceCount);
  COTENANT_FIND(nvmlDeviceGetMigDeviceHandleByIndex);
  COTENANT_FIND(nvmlDeviceGetDeviceHandleFromMigDeviceHandle);
  COTENANT_FIND(nvmlDeviceGetAttributes_v2);
  COTENANT_FIND(nvmlDeviceGetUtilizationRates);
  COTENANT_FIND(nvmlDeviceGetPowerUsage);
  COTENANT_FIND(nvmlDeviceGetEnforcedPowerLimit);
  COTENANT_FIND(nvmlDeviceGetTotalEnergyConsumption);
  COTENANT_FIND(nvmlDeviceGetClockInfo);
  COTENANT_FIND(nvmlDeviceGetMaxClockInfo);
  COTENANT_FIND(nvmlDeviceGetCpuAffinity);
  COTENANT_FIND(nvmlDeviceGetTemperature);
  COTENANT_FIND(nvmlDeviceGetCurrentClocksEventReasons);
  COTENANT_FIND(nvmlDeviceGetCurrentClocksThrottleReasons);
  COTENANT_FIND(nvmlGpmQueryDeviceSupport);
  COTENANT_FIND(nvmlGpmSampleAlloc);
  COTENANT_FIND(nvmlGpmSampleFree);
  COTENANT_FIND(nvmlGpmSampleGet);
  COTENANT_FIND(nvmlGpmMetricsGet);
#undef COTENANT_FIND
}

// Calls a function that may not be there; true when it succeeded.
template <class... Parameters, class... Arguments>
bool ask(nvml::Result (*function)(Parameters...), Arguments... arguments) {
  return function != nullptr && function(arguments...) == nvml::success;
}

// One number of a device.
template <class Number>
std::optional<double> number(nvml::Result (*function)(nvml::Device, Number*), void* device, double scale = 1) {
  Number value = 0;
  if (!ask(function, device, &value)) return std::nullopt;
  return static_cast<double>(value) * scale;
}

std::optional<double> number_of(nvml::Result (*function)(nvml::Device, unsigned, unsigned*), void* device,
                                unsigned which) {
  unsigned value = 0;
  if (!ask(function, device, which, &value)) return std::nullopt;
  return value;
}

std::string text(nvml::Result (*function)(nvml::Device, char*, unsigned), void* device) {
  char buffer[nvml::text_bytes] = {};
  return ask(function, device, static_cast<char*>(buffer), nvml::text_bytes) ? buffer : "";
}

}  // namespace

Nvml::Nvml() : api_(std::make_unique<nvml::Api>()) {}

Nvml::~Nvml() {
  if (started_) ask(api_->nvmlShutdown);
  if (library_ != nullptr) ::dlclose(library_);
}

std::shared_ptr<const Nvml> Nvml::open(Gap& gap, const std::string& library) {
  gap = {};
  std::shared_ptr<Nvml> nvml(new Nvml);
  nvml->library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (nvml->library_ == nullptr) {
    const char* reason = ::dlerror();
    gap = {fmt::format("{} cannot be loaded ({})", library, reason ? reason : "no reason told"), kInstall};
    return nullptr;
  }
  find_all(nvml->library_, *nvml->api_);
  if (nvml->api_->nvmlInit_v2 == nullptr || nvml->api_->nvmlShutdown == nullptr) {
    gap = {fmt::format("{} is not NVIDIA's management library", library), kInstall};
    return nullptr;
  }
  const nvml::Result result = nvml->api_->nvmlInit_v2();
  if (result != nvml::success) {
    gap = {fmt::format("NVML cannot start: {}", nvml->error_text(result)),
           "check that `nvidia-smi` works; after a driver update the old kernel module may still be loaded"};
    return nullptr;
  }
  nvml->started_ = true;
  return nvml;
}

std::string Nvml::error_text(unsigned result) const {
  const char* words = api_->nvmlErrorString ? api_->nvmlErrorString(static_cast<nvml::Result>(result)) : nullptr;
  return words ? fmt::format("{} (error {})", words, result) : fmt::format("error {}", result);
}

std::string Nvml::driver_version() const {
  char buffer[nvml::text_bytes] = {};
  return ask(api_->nvmlSystemGetDriverVersion, static_cast<char*>(buffer), nvml::text_bytes) ? buffer : "";
}

int Nvml::device_count() const {
  unsigned count = 0;
  return ask(api_->nvmlDeviceGetCount_v2, &count) ? static_cast<int>(count) : 0;
}

std::optional<NvmlDevice> Nvml::device_by_index(int index) const {
  nvml::Device handle = nullptr;
  if (index < 0 || !ask(api_->nvmlDeviceGetHandleByIndex_v2, static_cast<unsigned>(index), &handle))
    return std::nullopt;
  return NvmlDevice(shared_from_this(), handle);
}

// CUDA tells 16 bytes, and not whether they name a GPU or an instance of one.
std::optional<NvmlDevice> Nvml::device_by_uuid(const std::string& uuid) const {
  std::vector<std::string> names{uuid};
  if (uuid.starts_with("GPU-")) names.push_back("MIG-" + uuid.substr(4));
  for (const std::string& name : names) {
    nvml::Device handle = nullptr;
    if (ask(api_->nvmlDeviceGetHandleByUUID, name.c_str(), &handle)) return NvmlDevice(shared_from_this(), handle);
  }
  return std::nullopt;
}

const nvml::Api& NvmlDevice::api() const {
  return nvml_->api();
}

std::string NvmlDevice::name() const {
  return text(api().nvmlDeviceGetName, handle_);
}

std::string NvmlDevice::uuid() const {
  return text(api().nvmlDeviceGetUUID, handle_);
}

std::optional<MemoryUse> NvmlDevice::memory() const {
  nvml::Memory memory{};
  if (!ask(api().nvmlDeviceGetMemoryInfo, handle_, &memory)) return std::nullopt;
  return MemoryUse{memory.total, memory.used, memory.free};
}

// The number of processes can grow between two calls, so there is room for some more.
std::optional<std::vector<GpuProcess>> NvmlDevice::compute_processes() const {
  const auto function = api().nvmlDeviceGetComputeRunningProcesses_v3;
  if (function == nullptr) return std::nullopt;
  std::vector<nvml::ProcessInfo> found(64);
  unsigned count = 0;
  nvml::Result result = nvml::insufficient_size;
  for (int attempt = 0; attempt < 3 && result == nvml::insufficient_size; ++attempt) {
    count = static_cast<unsigned>(found.size());
    result = function(handle_, &count, found.data());
    if (result == nvml::insufficient_size) found.resize(size_t{2} * count + 64);
  }
  if (result != nvml::success) return std::nullopt;
  std::vector<GpuProcess> processes;
  for (unsigned i = 0; i < count; ++i) {
    GpuProcess process{static_cast<pid_t>(found[i].pid), std::nullopt};
    if (found[i].used_gpu_memory != nvml::not_available) process.used_bytes = found[i].used_gpu_memory;
    processes.push_back(process);
  }
  return processes;
}

std::optional<std::vector<pid_t>> NvmlDevice::working_processes(uint64_t since_us) const {
  const auto function = api().nvmlDeviceGetProcessUtilization;
  if (function == nullptr) return std::nullopt;
  std::vector<nvml::ProcessUse> found;
  unsigned count = 0;
  nvml::Result result = function(handle_, nullptr, &count, since_us);
  for (int attempt = 0; attempt < 3 && result == nvml::insufficient_size; ++attempt) {
    found.resize(size_t{2} * count + 16);
    count = static_cast<unsigned>(found.size());
    result = function(handle_, found.data(), &count, since_us);
  }
  if (result == nvml::not_found) return std::vector<pid_t>();  // nobody worked
  if (result != nvml::success) return std::nullopt;
  std::vector<pid_t> working;
  for (unsigned i = 0; i < count && i < found.size(); ++i)
    if (found[i].sm > 0) working.push_back(static_cast<pid_t>(found[i].pid));
  return working;
}

std::optional<bool> NvmlDevice::mig_enabled() const {
  unsigned now = 0, after_reset = 0;
  if (!ask(api().nvmlDeviceGetMigMode, handle_, &now, &after_reset)) return std::nullopt;
  return now != 0;
}

std::vector<MigInstance> NvmlDevice::mig_instances() const {
  std::vector<MigInstance> instances;
  unsigned most = 0;
  if (!mig_enabled().value_or(false) || !ask(api().nvmlDeviceGetMaxMigDeviceCount, handle_, &most)) return instances;
  for (unsigned i = 0; i < most; ++i) {
    nvml::Device handle = nullptr;
    if (!ask(api().nvmlDeviceGetMigDeviceHandleByIndex, handle_, i, &handle)) continue;  // places may be empty
    const NvmlDevice device(nvml_, handle);
    MigInstance instance{static_cast<int>(i), device.uuid(), std::nullopt, std::nullopt};
    nvml::Attributes attributes{};
    if (ask(api().nvmlDeviceGetAttributes_v2, handle, &attributes)) {
      instance.sm_count = static_cast<int>(attributes.multiprocessor_count);
      instance.memory_bytes = attributes.memory_size_mb << 20;
    }
    if (const auto memory = device.memory()) instance.memory_bytes = memory->total_bytes;
    instances.push_back(std::move(instance));
  }
  return instances;
}

NvmlDevice NvmlDevice::physical() const {
  nvml::Device handle = nullptr;
  const bool is_instance = uuid().starts_with("MIG-");
  if (!is_instance || !ask(api().nvmlDeviceGetDeviceHandleFromMigDeviceHandle, handle_, &handle)) return *this;
  return {nvml_, handle};
}

std::optional<double> NvmlDevice::gpu_percent() const {
  nvml::Utilization utilization{};
  if (!ask(api().nvmlDeviceGetUtilizationRates, handle_, &utilization)) return std::nullopt;
  return utilization.gpu;
}

std::optional<double> NvmlDevice::power_w() const {
  return number(api().nvmlDeviceGetPowerUsage, handle_, 1e-3);
}

std::optional<double> NvmlDevice::power_limit_w() const {
  return number(api().nvmlDeviceGetEnforcedPowerLimit, handle_, 1e-3);
}

std::optional<double> NvmlDevice::energy_j() const {
  return number(api().nvmlDeviceGetTotalEnergyConsumption, handle_, 1e-3);
}

std::optional<double> NvmlDevice::sm_clock_mhz() const {
  return number_of(api().nvmlDeviceGetClockInfo, handle_, nvml::clock_sm);
}

std::optional<double> NvmlDevice::memory_clock_mhz() const {
  return number_of(api().nvmlDeviceGetClockInfo, handle_, nvml::clock_memory);
}

std::optional<double> NvmlDevice::max_sm_clock_mhz() const {
  return number_of(api().nvmlDeviceGetMaxClockInfo, handle_, nvml::clock_sm);
}

std::optional<double> NvmlDevice::temperature_c() const {
  return number_of(api().nvmlDeviceGetTemperature, handle_, nvml::temperature_gpu);
}

std::vector<int> NvmlDevice::cpus() const {
  constexpr unsigned kWords = 128, kBits = 8 * sizeof(unsigned long);
  std::vector<unsigned long> words(kWords);
  std::vector<int> cpus;
  if (!ask(api().nvmlDeviceGetCpuAffinity, handle_, kWords, words.data())) return cpus;
  for (unsigned cpu = 0; cpu < kWords * kBits; ++cpu)
    if ((words[cpu / kBits] >> (cpu % kBits)) & 1) cpus.push_back(static_cast<int>(cpu));
  return cpus;
}

// The newer name first; both tell the same bits.
std::optional<uint64_t> NvmlDevice::clock_event_reasons() const {
  unsigned long long reasons = 0;
  if (ask(api().nvmlDeviceGetCurrentClocksEventReasons, handle_, &reasons) ||
      ask(api().nvmlDeviceGetCurrentClocksThrottleReasons, handle_, &reasons))
    return reasons;
  return std::nullopt;
}

std::string throttle_words(uint64_t clock_event_reasons) {
  struct Reason {
    uint64_t bit;  // nvmlClocksEventReason...; 0x1, an idle device, is not among them
    const char* words;
  };
  constexpr Reason reasons[] = {{0x2, "application clocks"},    {0x4, "power cap"},         {0x8, "hardware slowdown"},
                                {0x10, "sync boost"},           {0x20, "software thermal"}, {0x40, "hardware thermal"},
                                {0x80, "hardware power brake"}, {0x100, "display clock"}};
  std::string words;
  for (const Reason& reason : reasons)
    if (clock_event_reasons & reason.bit) words += (words.empty() ? "" : ", ") + std::string(reason.words);
  return words;
}

}  // namespace cotenant
