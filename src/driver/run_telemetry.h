#pragma once

#include <cstdint>
#include <deque>
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

// What is watched besides the tenants' requests: the machine, its devices and who else uses them. Called by the
// driver's one thread. What cannot be watched is told in the record, and the run goes on.
class RunTelemetry {
 public:
  // Opens NVML when the plan's devices are GPUs, which takes up to a second: before any worker runs.
  explicit RunTelemetry(const RunPlan& plan);

  void describe(std::vector<DeviceRecord>& devices) const;              // driver, limits
  std::optional<MemoryUse> memory_of(const std::string& device) const;  // as of now; none: not known

  // From here on samples go into `file`. `tenants`: asked at each look at processes.
  void start(const std::filesystem::path& file, std::function<std::vector<TenantProcesses>()> tenants);
  void tick(int64_t t0_ns);  // takes a sample and looks at the GPUs' processes, each when it is due
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

  // One GPU.
  struct Watched {
    std::string name;                // "cuda:0"
    bool tenants_compute_on = true;  // as far as is known
    DeviceSampler sampler;
    std::optional<GpuProcessWatch> processes = std::nullopt;
    std::vector<Clocks> clocks = {};
  };

  void sample(int64_t t0_ns);
  void look_at_processes();
  void add_processes(ExperimentRecord& record, const Watched& device, const std::set<pid_t>& ours) const;
  void add_means(DeviceRecord& record, const Watched& device, const std::optional<WindowRecord>& window) const;
  void add_gaps(ExperimentRecord& record) const;
  std::string told_of(const Watched& device, const std::string& what) const;

  const int64_t interval_ns_;  // 0: no telemetry
  const bool is_cuda_;
  std::shared_ptr<const Nvml> nvml_;
  Gap nvml_gap_;
  std::deque<Watched> devices_;
  std::function<std::vector<TenantProcesses>()> tenants_;
  std::optional<HostSampler> host_;
  std::optional<OutputFile> file_;
  int64_t samples_ = 0, started_ns_ = 0, sampled_ns_ = 0, looked_ns_ = 0;
  int64_t cpu_ns_ = 0, longest_ns_ = 0;
};

}  // namespace cotenant
