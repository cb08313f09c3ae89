// A library with NVML's interface and a device of known figures, for machines without a GPU. Its layouts are written
// down here a second time, from NVIDIA's reference, so that a wrong one on the other side shows.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace {

int the_device, the_instance;
uint64_t energy_mj = 1'000'000;

struct Sample {
  int number = 0;
} samples[2];
int allocated = 0, taken = 0;

struct Process {
  uint32_t pid, padding;
  uint64_t used_bytes;
  uint32_t gpu_instance, compute_instance;
};

struct Metric {
  uint32_t id, result;
  double value;
  const char* names[3];
};

struct Question {
  uint32_t version, count;
  Sample *first, *second;
  Metric metrics[1];
};

uint32_t say(char* out, uint32_t size, const char* text) {
  std::snprintf(out, size, "%s", text);
  return 0;
}

}  // namespace

extern "C" {

uint32_t nvmlInit_v2() {
  return 0;
}
uint32_t nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(uint32_t) {
  return "Stand-in Error";
}
uint32_t nvmlSystemGetDriverVersion(char* out, uint32_t size) {
  return say(out, size, "580.159.04");
}
uint32_t nvmlDeviceGetCount_v2(uint32_t* count) {
  return *count = 1, 0;
}

uint32_t nvmlDeviceGetHandleByIndex_v2(uint32_t index, void** device) {
  if (index != 0) return 2;
  return *device = &the_device, 0;
}

uint32_t nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (std::strcmp(uuid, "GPU-stand-in") == 0) return *device = &the_device, 0;
  if (std::strcmp(uuid, "MIG-stand-in") == 0) return *device = &the_instance, 0;
  return 6;
}

uint32_t nvmlDeviceGetName(void*, char* out, uint32_t size) {
  return say(out, size, "Stand-in H100");
}
uint32_t nvmlDeviceGetUUID(void* device, char* out, uint32_t size) {
  return say(out, size, device == &the_device ? "GPU-stand-in" : "MIG-stand-in");
}

uint32_t nvmlDeviceGetMemoryInfo(void* device, uint64_t* total_free_used) {
  const uint64_t gib = uint64_t{1} << 30;
  const bool whole = device == &the_device;
  total_free_used[0] = (whole ? 80 : 20) * gib;
  total_free_used[1] = (whole ? 70 : 15) * gib;
  total_free_used[2] = (whole ? 10 : 5) * gib;
  return 0;
}

// More than fit at the first call.
uint32_t nvmlDeviceGetComputeRunningProcesses_v3(void*, uint32_t* count, Process* processes) {
  constexpr uint32_t all = 100;
  const bool fits = *count >= all;
  *count = all;
  if (!fits) return 7;
  for (uint32_t i = 0; i < all; ++i) {
    processes[i] = {};
    processes[i].pid = 1000 + i;
    processes[i].used_bytes = i == 0 ? UINT64_MAX : i;  // not told of the first
    if (i >= 50 && i < 60) processes[i].used_bytes = 0;
  }
  return 0;
}

// 1051 worked a moment ago; 1052 is listed and idle.
struct ProcessUse {
  uint32_t pid, padding;
  uint64_t at_us;
  uint32_t shares[4];
};
uint32_t nvmlDeviceGetProcessUtilization(void*, ProcessUse* uses, uint32_t* count, uint64_t) {
  const bool fits = uses != nullptr && *count >= 2;
  *count = 2;
  if (!fits) return 7;
  uses[0] = {1051, 0, 0, {35, 1, 0, 0}};
  uses[1] = {1052, 0, 0, {0, 0, 0, 0}};
  return 0;
}

uint32_t nvmlDeviceGetMigMode(void* device, uint32_t* now, uint32_t* pending) {
  if (device != &the_device) return 3;
  return *now = *pending = 1, 0;
}
uint32_t nvmlDeviceGetMaxMigDeviceCount(void*, uint32_t* count) {
  return *count = 7, 0;
}
uint32_t nvmlDeviceGetMigDeviceHandleByIndex(void*, uint32_t index, void** device) {
  if (index != 2) return 6;
  return *device = &the_instance, 0;
}
uint32_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void*, void** device) {
  return *device = &the_device, 0;
}
uint32_t nvmlDeviceGetAttributes_v2(void*, uint32_t* attributes) {
  attributes[0] = 32;  // multiprocessors
  return 0;
}

uint32_t nvmlDeviceGetUtilizationRates(void*, uint32_t* gpu_memory) {
  return gpu_memory[0] = 99, gpu_memory[1] = 7, 0;
}
uint32_t nvmlDeviceGetPowerUsage(void*, uint32_t* mw) {
  return *mw = 350'500, 0;
}
uint32_t nvmlDeviceGetEnforcedPowerLimit(void*, uint32_t* mw) {
  return *mw = 700'000, 0;
}
uint32_t nvmlDeviceGetTotalEnergyConsumption(void*, uint64_t* mj) {
  return *mj = energy_mj += 35'000, 0;
}
uint32_t nvmlDeviceGetClockInfo(void*, uint32_t type, uint32_t* mhz) {
  return *mhz = type == 1 ? 1365 : type == 2 ? 2619 : 0, 0;
}
uint32_t nvmlDeviceGetMaxClockInfo(void*, uint32_t type, uint32_t* mhz) {
  return *mhz = type == 1 ? 1980 : 0, 0;
}
uint32_t nvmlDeviceGetTemperature(void*, uint32_t sensor, uint32_t* celsius) {
  return *celsius = sensor == 0 ? 45 : 0, 0;
}

// The newer name is not there, as in an older driver.
uint32_t nvmlDeviceGetCurrentClocksThrottleReasons(void*, uint64_t* reasons) {
  return *reasons = 0x1 | 0x4, 0;
}

uint32_t nvmlGpmQueryDeviceSupport(void* device, uint32_t* version_supported) {
  if (device != &the_device || version_supported[0] != 1) return 3;
  return version_supported[1] = 1, 0;
}
uint32_t nvmlGpmSampleAlloc(Sample** sample) {
  return *sample = &samples[allocated++ % 2], 0;
}
uint32_t nvmlGpmSampleFree(Sample*) {
  return 0;
}
uint32_t nvmlGpmSampleGet(void*, Sample* sample) {
  return sample->number = ++taken, 0;
}

// Each metric's value is its id, and with it a proof that the samples come in order. Tensor: no number; occupancy
// fails.
uint32_t nvmlGpmMetricsGet(Question* question) {
  if (question->version != 1 || question->first->number + 1 != question->second->number) return 2;
  for (uint32_t i = 0; i < question->count; ++i) {
    Metric& metric = question->metrics[i];
    metric.value = metric.id == 5 ? NAN : metric.id;
    metric.result = metric.id == 3 ? 3 : 0;
  }
  return 0;
}

}  // extern "C"
