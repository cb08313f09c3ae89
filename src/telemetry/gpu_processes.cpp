#include "telemetry/gpu_processes.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <utility>

#include "base/clock.h"
#include "telemetry/proc.h"

namespace cotenant {
namespace {

// The name of its file; empty: it cannot be seen.
std::string program_of(pid_t pid) {
  std::string path;
  std::ifstream command_line(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  std::getline(command_line, path, '\0');
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

ForeignGpuUse foreign_gpu_use(const std::set<pid_t>& listed, const std::set<pid_t>& ours, bool we_use_it) {
  ForeignGpuUse use;
  const bool sees_us = std::ranges::any_of(listed, [&](pid_t pid) { return ours.count(pid) > 0; });
  use.can_tell = sees_us || (listed.empty() && !we_use_it);
  if (!use.can_tell) return use;
  std::ranges::set_difference(listed, ours, std::back_inserter(use.foreign));
  return use;
}

GpuProcessWatch::GpuProcessWatch(NvmlDevice device)
    : device_(std::move(device)), since_us_(static_cast<uint64_t>(wall_clock_s() * 1e6)) {}

void GpuProcessWatch::look() {
  const NvmlDevice gpu = device_.physical();
  const auto processes = gpu.compute_processes();
  if (!processes) return;
  was_told_ = true;
  for (const GpuProcess& process : *processes) {
    const auto [at, is_new] = seen_.emplace(process.pid, Seen());
    Seen& seen = at->second;
    if (is_new) {
      const auto told = read_process(process.pid);
      seen.name = told ? told->name : "";
    }
    // The control program of MPS is listed on every GPU that it sees; the contexts are its server's.
    seen.holds_memory |= process.used_bytes != uint64_t{0} && program_of(process.pid) != "nvidia-cuda-mps-control";
  }
  if (const auto working = gpu.working_processes(since_us_))
    for (const pid_t pid : *working)
      if (const auto at = seen_.find(pid); at != seen_.end()) at->second.works = true;
}

GpuProcessWatch::Finding GpuProcessWatch::find(const std::set<pid_t>& ours, bool we_use_it) const {
  const std::string unknown = "whether another program used the GPU cannot be told: ";
  if (!was_told_) return {{}, {}, {unknown + "NVML lists no processes", "look at `nvidia-smi` during the run"}};
  std::set<pid_t> listed;
  for (const auto& [pid, seen] : seen_) listed.insert(pid);
  const ForeignGpuUse use = foreign_gpu_use(listed, ours, we_use_it);
  if (!use.can_tell) {
    const std::string seen = listed.empty()
                                 ? "NVML lists no process, not even this run's"
                                 : fmt::format("none of the {} that NVML lists is of this run", listed.size());
    return {{},
            {},
            {unknown + seen,
             "run outside of the container, or give it the host's process numbers (docker run --pid=host)"}};
  }
  Finding finding;
  for (const pid_t pid : use.foreign) {
    const Seen& seen = seen_.at(pid);
    auto& where = seen.holds_memory || seen.works ? finding.foreign : finding.bystanders;
    where.push_back(seen.name.empty() ? fmt::format("pid {}", pid) : fmt::format("{}, pid {}", seen.name, pid));
  }
  return finding;
}

}  // namespace cotenant
