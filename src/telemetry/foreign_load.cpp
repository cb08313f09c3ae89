#include "telemetry/foreign_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "base/processes.h"

namespace cotenant {
namespace {

// CPU time that a process used between the snapshots.
double used_s(const LoadSnapshot& before, pid_t pid, const ProcessTimes& after) {
  const auto found = before.processes.find(pid);
  const bool same = found != before.processes.end() && found->second.start == after.start;
  return after.cpu_s - (same ? found->second.cpu_s : 0);
}

}  // namespace

LoadSnapshot snapshot_load() {
  LoadSnapshot snapshot;
  for (const pid_t pid : all_processes())
    if (auto process = read_process(pid)) snapshot.processes.emplace(pid, std::move(*process));
  snapshot.busy_s = machine_busy_s();
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
