#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/device_name.h"
#include "base/error.h"
#include "base/version.h"
#include "engine/native/cuda_module.h"

// Takes the place of cotenant_cuda.so and, under its name, of libnvidia-ml.so.1 on a machine without GPUs: two of known
// figures. Who loads one is noted as a file <MADE_GPUS>/<UUID>/<pid>, and who is noted so uses it as long as it lives.
namespace cotenant {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kUuids{"GPU-00000000-0000-0000-0000-000000000000",
                                      "GPU-00000000-0000-0000-0000-000000000001"};

fs::path users_of(const std::string& uuid) {
  const char* directory = std::getenv("MADE_GPUS");
  return fs::path(directory ? directory : ".") / uuid;
}

// As CUDA_VISIBLE_DEVICES shows them, by index or UUID.
std::vector<std::string> visible() {
  const char* variable = std::getenv("CUDA_VISIBLE_DEVICES");
  if (variable == nullptr) return kUuids;
  std::vector<std::string> uuids;
  std::istringstream names(variable);
  for (std::string name; std::getline(names, name, ',');) {
    const auto found = std::ranges::find(kUuids, name);
    if (found != kUuids.end()) uuids.push_back(*found);
    if (name == "0" || name == "1") uuids.push_back(kUuids[name == "1"]);
  }
  return uuids;
}

CudaStatus status() {
  CudaStatus status;
  status.driver_version = 13000;
  for (const std::string& uuid : visible()) {
    CudaDevice device;
    device.name = "Made GPU";
    device.uuid = uuid;
    device.sms = 132;
    device.sm_groups = 16;
    device.total_bytes = size_t{80} << 30;
    status.devices.push_back(device);
  }
  if (status.devices.empty()) status.problem = "no GPU is visible";
  return status;
}

class MadeShare : public DeviceShare {
 public:
  explicit MadeShare(int groups) : groups_(groups) {}
  int sms() const override { return 8 * groups_; }

 private:
  int groups_;
};

std::vector<std::shared_ptr<const DeviceShare>> split(const std::string&, const std::vector<int>& groups) {
  std::vector<std::shared_ptr<const DeviceShare>> shares;
  for (const int count : groups) shares.push_back(std::make_shared<MadeShare>(count));
  return shares;
}

class MadeLoad : public StressLoad {
 public:
  explicit MadeLoad(const std::string& uuid) : uuid_(uuid) {}

  MemoryNeed memory_needed() const override { return {.weights_bytes = 0, .activation_bytes = 256}; }
  void allocate() override { std::ofstream(users_of(uuid_) / std::to_string(::getpid())); }
  float run(int64_t rounds) override {
    std::this_thread::sleep_for(std::chrono::microseconds(200 * rounds));
    return 0.2F * static_cast<float>(rounds);
  }
  double work_per_round() const override { return 1; }
  std::string unit() const override { return "launches/s"; }
  int footprint_sms() const override { return 0; }

 private:
  std::string uuid_;
};

std::unique_ptr<StressLoad> make_stressor(const StressLoadOptions& options) {
  return std::make_unique<MadeLoad>(visible().at(device_ordinal(options.device)));
}

std::unique_ptr<Ops> make_ops(const OpsOptions&) {
  throw usage_error("device", "a made GPU runs no models");
}

struct Process {
  uint32_t pid, padding;
  uint64_t used_bytes;
  uint32_t gpu_instance, compute_instance;
};

uint32_t say(char* out, uint32_t size, const std::string& text) {
  return std::snprintf(out, size, "%s", text.c_str()), 0;
}

// A handle of NVML is one of kUuids.
size_t index_of(const void* device) {
  return static_cast<size_t>(static_cast<const std::string*>(device) - kUuids.data());
}

}  // namespace
}  // namespace cotenant

extern "C" {

const cotenant::CudaModule* cotenant_cuda_module() {
  static const cotenant::CudaModule module{.version = cotenant::version(),
                                           .status = cotenant::status,
                                           .make_ops = cotenant::make_ops,
                                           .split = cotenant::split,
                                           .make_stressor = cotenant::make_stressor};
  return &module;
}

uint32_t nvmlInit_v2() {
  return 0;
}
uint32_t nvmlShutdown() {
  return 0;
}
const char* nvmlErrorString(uint32_t) {
  return "made error";
}
uint32_t nvmlSystemGetDriverVersion(char* out, uint32_t size) {
  return cotenant::say(out, size, "580.159.04");
}
uint32_t nvmlDeviceGetHandleByUUID(const char* uuid, const void** device) {
  for (const std::string& one : cotenant::kUuids)
    if (one == uuid) return *device = &one, 0;
  return 6;
}
uint32_t nvmlDeviceGetName(void*, char* out, uint32_t size) {
  return cotenant::say(out, size, "Made GPU");
}
uint32_t nvmlDeviceGetUUID(void* device, char* out, uint32_t size) {
  return cotenant::say(out, size, cotenant::kUuids[cotenant::index_of(device)]);
}
uint32_t nvmlDeviceGetMemoryInfo(void* device, uint64_t* total_free_used) {
  const uint64_t gib = uint64_t{1} << 30, used = (cotenant::index_of(device) + 1) * gib;
  total_free_used[0] = 80 * gib;
  total_free_used[1] = 80 * gib - used;
  total_free_used[2] = used;
  return 0;
}
uint32_t nvmlDeviceGetComputeRunningProcesses_v3(void* device, uint32_t* count, cotenant::Process* processes) {
  std::vector<uint32_t> pids;
  std::error_code none;
  for (const auto& user :
       std::filesystem::directory_iterator(cotenant::users_of(cotenant::kUuids[cotenant::index_of(device)]), none))
    if (std::filesystem::exists("/proc/" + user.path().filename().string(), none))
      pids.push_back(static_cast<uint32_t>(std::stoul(user.path().filename().string())));
  const bool fits = *count >= pids.size();
  *count = static_cast<uint32_t>(pids.size());
  if (!fits) return 7;
  for (size_t i = 0; i < pids.size(); ++i) processes[i] = {pids[i], 0, 256, 0, 0};
  return 0;
}
uint32_t nvmlDeviceGetPowerUsage(void* device, uint32_t* mw) {
  return *mw = cotenant::index_of(device) == 0 ? 300'000 : 400'000, 0;
}
uint32_t nvmlDeviceGetEnforcedPowerLimit(void*, uint32_t* mw) {
  return *mw = 700'000, 0;
}
uint32_t nvmlDeviceGetClockInfo(void* device, uint32_t, uint32_t* mhz) {
  return *mhz = cotenant::index_of(device) == 0 ? 1500 : 1700, 0;
}

}  // extern "C"
