#include "telemetry/gpu_processes.h"

#include <fmt/format.h>

#include <algorithm>

#include "telemetry/proc.h"

namespace cotenant {

ForeignGpuUse foreign_gpu_use(const std::set<pid_t>& listed, const std::set<pid_t>& ours, bool we_use_it) {
  ForeignGpuUse use;
  const bool sees_us = std::ranges::any_of(listed, [&](pid_t pid) { return ours.count(pid) > 0; });
  use.can_tell = sees_us || (listed.empty() && !we_use_it);
  if (!use.can_tell) return use;
  std::ranges::set_difference(listed, ours, std::back_inserter(use.foreign));
  return use;
}

void GpuProcessWatch::look() {
  const auto processes = device_.physical().compute_processes();
  if (!processes) return;
  was_told_ = true;
  for (const GpuProcess& process : *processes) {
    if (seen_.count(process.pid)) continue;
    const auto seen = read_process(process.pid);
    seen_.emplace(process.pid, seen ? seen->name : "");
  }
}

GpuProcessWatch::Finding GpuProcessWatch::find(const std::set<pid_t>& ours, bool we_use_it) const {
  const std::string unknown = "whether another program used the GPU cannot be told: ";
  if (!was_told_) return {{}, {unknown + "NVML lists no processes", "look at `nvidia-smi` during the run"}};
  std::set<pid_t> listed;
  for (const auto& [pid, name] : seen_) listed.insert(pid);
  const ForeignGpuUse use = foreign_gpu_use(listed, ours, we_use_it);
  if (!use.can_tell) {
    const std::string seen = listed.empty()
                                 ? "NVML lists no process, not even this run's"
                                 : fmt::format("none of the {} that NVML lists is of this run", listed.size());
    return {{},
            {unknown + seen,
             "run outside of the container, or give it the host's process numbers (docker run --pid=host)"}};
  }
  Finding finding;
  for (const pid_t pid : use.foreign) {
    const std::string& name = seen_.at(pid);
    finding.foreign.push_back(name.empty() ? fmt::format("pid {}", pid) : fmt::format("{}, pid {}", name, pid));
  }
  return finding;
}

}  // namespace cotenant
