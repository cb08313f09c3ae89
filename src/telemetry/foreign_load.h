#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <set>
#include <string>

#include "telemetry/proc.h"

// What other programs did on the CPUs that this process may use, between two looks at /proc. What runs elsewhere, as
// another experiment that is pinned to other cores, takes nothing from its tenants.
namespace cotenant {

struct LoadSnapshot {
  double at_s = 0;                          // CLOCK_MONOTONIC
  double busy_s = 0;                        // of our CPUs together, since boot, stolen time included
  std::map<pid_t, ProcessTimes> processes;  // that may use one of them
};

LoadSnapshot snapshot_load();

struct ForeignLoad {
  double busy_cores = 0;    // mean number of cores that were busy without us
  std::string top_process;  // "cc1plus (pid 4711), 0.93 cores"; empty: none to be seen
};

// `ours`: the pids to leave out. None when no time has passed or /proc tells nothing.
std::optional<ForeignLoad> foreign_load(const LoadSnapshot& before, const LoadSnapshot& after,
                                        const std::set<pid_t>& ours);

}  // namespace cotenant
