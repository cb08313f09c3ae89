#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/gap.h"

// NVIDIA's management library, which comes with the driver and is opened when a run starts, so that one program serves
// machines with and without it. Nothing here throws: what a driver or a device does not tell is std::nullopt.
namespace cotenant {

namespace nvml {
struct Api;
}

struct MemoryUse {
  uint64_t total_bytes = 0, used_bytes = 0, free_bytes = 0;  // used includes what the driver keeps for itself
};

struct GpuProcess {
  pid_t pid = 0;  // in the namespace that the driver sees, which may not be ours
  std::optional<uint64_t> used_bytes;
};

struct MigInstance {
  int index = 0;
  std::string uuid;  // "MIG-..."
  std::optional<uint64_t> memory_bytes;
  std::optional<int> sm_count;
};

class Nvml;

// One GPU, or one MIG instance of a GPU. A value; keeps the library open.
class NvmlDevice {
 public:
  NvmlDevice(std::shared_ptr<const Nvml> nvml, void* handle) : nvml_(std::move(nvml)), handle_(handle) {}

  std::string name() const;  // "NVIDIA H100 80GB HBM3"
  std::string uuid() const;  // "GPU-..." or "MIG-..."
  std::optional<MemoryUse> memory() const;
  std::optional<std::vector<GpuProcess>> compute_processes() const;  // with a context; under MPS its server only

  // Those that had kernels on it after an instant (since the epoch), as the driver samples it. None: it does not tell.
  std::optional<std::vector<pid_t>> working_processes(uint64_t since_us) const;

  std::optional<bool> mig_enabled() const;         // none: this device knows no MIG
  std::vector<MigInstance> mig_instances() const;  // empty without MIG
  NvmlDevice physical() const;                     // the GPU that a MIG instance is of; else the device itself

  std::vector<int> cpus() const;  // of the NUMA node to which it is attached, ascending; empty: not told

  std::optional<double> gpu_percent() const;  // of the time, lately, in which any kernel ran
  std::optional<double> power_w() const, power_limit_w() const;
  std::optional<double> energy_j() const;  // since the driver was loaded
  std::optional<double> sm_clock_mhz() const, memory_clock_mhz() const, max_sm_clock_mhz() const;
  std::optional<double> temperature_c() const;
  std::optional<uint64_t> clock_event_reasons() const;  // for throttle_words

  const std::shared_ptr<const Nvml>& nvml() const { return nvml_; }
  void* handle() const { return handle_; }

 private:
  const nvml::Api& api() const;

  std::shared_ptr<const Nvml> nvml_;
  void* handle_;
};

class Nvml : public std::enable_shared_from_this<Nvml> {
 public:
  // Null, and `gap` says why, where there is no such library or it cannot start.
  static std::shared_ptr<const Nvml> open(Gap& gap, const std::string& library = "libnvidia-ml.so.1");
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  std::string driver_version() const;  // "580.159.04"; empty: not told
  int device_count() const;
  std::optional<NvmlDevice> device_by_index(int index) const;               // NVML's order, not CUDA's
  std::optional<NvmlDevice> device_by_uuid(const std::string& uuid) const;  // also "GPU-..." of a MIG instance

  const nvml::Api& api() const { return *api_; }
  std::string error_text(unsigned result) const;  // "Insufficient Permissions (error 4)"

 private:
  Nvml();

  std::unique_ptr<nvml::Api> api_;
  void* library_ = nullptr;
  bool started_ = false;
};

// The clock event reasons that lower clocks under load, in words: "power cap, hardware thermal". Empty: none. An idle
// device is not throttled.
std::string throttle_words(uint64_t clock_event_reasons);

}  // namespace cotenant
