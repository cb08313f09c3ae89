#include "telemetry/foreign_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/affinity.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/processes.h"

namespace cotenant {
namespace {

// CPU time that a process used between the snapshots.
double used_s(const LoadSnapshot& before, pid_t pid, const ProcessTimes& after) {
  const auto found = before.processes.find(pid);
  const bool same = found != before.processes.end() && found->second.start == after.start;
  return after.cpu_s - (same ? found->second.cpu_s : 0);
}

// One of whose affinity nothing can be told may be anywhere.
bool may_use(pid_t pid, const std::vector<int>& cpus) {
  try {
    return std::ranges::any_of(affinity(pid), [&](int cpu) { return std::ranges::binary_search(cpus, cpu); });
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

LoadSnapshot snapshot_load() {
  LoadSnapshot snapshot;
  const std::vector<int> ours = affinity();
  for (const pid_t pid : all_processes())
    if (may_use(pid, ours))
      if (auto process = read_process(pid)) snapshot.processes.emplace(pid, std::move(*process));
  const CpuTimes times = read_cpu_times();
  for (size_t i = 0; i < times.numbers.size(); ++i)
    if (std::ranges::binary_search(ours, times.numbers[i])) snapshot.busy_s += times.each_busy_s[i];
  snapshot.at_s = ns_to_s(now_ns());
  return snapshot;
}

std::optional<ForeignLoad> foreign_load(const LoadSnapshot& before, const LoadSnapshot& after,
                                        const std::set<pid_t>& ours) {
  const double elapsed_s = after.at_s - before.at_s;
  if (elapsed_s <= 0 || after.busy_s <= 0) return std::nullopt;
  ForeignLoad load;
  double ours_s = 0, top_s = 0;
  for (const auto& [pid, process] : after.processes) {
    const double cpu_s = used_s(before, pid, process);
    if (ours.count(pid)) {
      ours_s += cpu_s;
    } else if (cpu_s > top_s) {
      top_s = cpu_s;
      load.top_process = fmt::format("{} (pid {}), {:.2f} cores", process.name, pid, cpu_s / elapsed_s);
    }
  }
  load.busy_cores = std::max(0.0, (after.busy_s - before.busy_s - ours_s) / elapsed_s);
  return load;
}

}  // namespace cotenant
