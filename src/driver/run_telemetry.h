#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "driver/plan.h"
#include "results/output_file.h"
#include "telemetry/device_sampler.h"
#include "telemetry/gpu_processes.h"
#include "telemetry/host_sampler.h"

namespace cotenant {

// What is watched besides the tenants' requests: the machine, the device and who else uses it. Called by the driver's
// one thread. What cannot be watched is told in the record, and the run goes on.
class RunTelemetry {
 public:
  // Opens NVML when the plan's device is a GPU, which takes up to a second: before any worker runs.
  explicit RunTelemetry(const RunPlan& plan);

  void describe(DeviceRecord& device) const;       // driver, limits
  std::optional<MemoryUse> device_memory() const;  // as of now; none: not known

  // From here on samples go into `file`. `tenants`: asked at each look at processes.
  void start(const std::filesystem::path& file, std::function<std::vector<TenantProcesses>()> tenants);
  void tick(int64_t t0_ns);  // takes a sample and looks at the GPU's processes, each when it is due
  void flush();              // what has been sampled so far, into the file
  void stop();  // when the tenants stop: a last look at the processes, while they still have their contexts

  void move_to(const std::filesystem::path& file);  // what was taken so far, when its own place is gone

  // Closes the file and fills in what was seen. `ours`: pids that may use the GPU.
  void finish(ExperimentRecord& record, const std::set<pid_t>& ours);

 private:
  struct Clocks {
    double t_s;
    std::optional<double> sm_mhz, memory_mhz;
  };

  void sample(int64_t t0_ns);
  void look_at_processes();
  void add_means(ExperimentRecord& record) const;
  void add_gaps(ExperimentRecord& record) const;

  const int64_t interval_ns_;  // 0: no telemetry
  const bool is_cuda_;
  bool computes_on_gpu_ = false;
  std::shared_ptr<const Nvml> nvml_;
  Gap nvml_gap_;
  std::optional<DeviceSampler> device_;
  std::function<std::vector<TenantProcesses>()> tenants_;
  std::optional<HostSampler> host_;
  std::optional<GpuProcessWatch> processes_;
  std::optional<OutputFile> file_;
  std::vector<Clocks> clocks_;
  int64_t samples_ = 0, started_ns_ = 0, sampled_ns_ = 0, looked_ns_ = 0;
  int64_t cpu_ns_ = 0, longest_ns_ = 0;
};

}  // namespace cotenant
