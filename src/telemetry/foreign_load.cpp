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

// CPU time that a set of processes has used so far, with what those of it used that have ended: they are their parents'
// children, and a parent is one of the set or has ended itself.
double used_by_all_s(const LoadSnapshot& snapshot, const std::set<pid_t>& pids) {
  double sum_s = 0;
  for (const pid_t pid : pids)
    if (const auto found = snapshot.processes.find(pid); found != snapshot.processes.end())
      sum_s += found->second.cpu_s + found->second.children_cpu_s;
  return sum_s;
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
  const double ours_s = std::max(0.0, used_by_all_s(after, ours) - used_by_all_s(before, ours));
  double top_s = 0;
  for (const auto& [pid, process] : after.processes) {
    const double cpu_s = used_s(before, pid, process);
    if (!ours.count(pid) && cpu_s > top_s) {
      top_s = cpu_s;
      load.top_process = fmt::format("{} (pid {}), {:.2f} cores", process.name, pid, cpu_s / elapsed_s);
    }
  }
  load.busy_cores = std::max(0.0, (after.busy_s - before.busy_s - ours_s) / elapsed_s);
  return load;
}

}  // namespace cotenant
