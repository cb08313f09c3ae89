#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The limits that control groups, of version 1 and 2, set to this process: a container's, a batch system's, systemd's.
// `root` stands before every path that is read, so that other machines' files can be looked at. What is not told is
// empty; nothing throws. See cgroups(7), and admin-guide/cgroup-v1 and cgroup-v2 of the Linux kernel.
namespace cotenant {

// The directories of this process's group and all groups around it, innermost first: a limit of each holds. Inside a
// container those around it are out of sight, and its own is the root of what is mounted.
struct ControlGroups {
  std::vector<std::string> unified;            // version 2: all controllers
  std::vector<std::string> cpu, memory, pids;  // version 1: of that controller
};

ControlGroups find_control_groups(const std::string& root = "");

// How many cores the tightest quota allows; none: no quota.
std::optional<double> cpu_quota(const ControlGroups& groups);

struct MemoryLimit {
  uint64_t limit_bytes = 0;      // the tightest
  uint64_t available_bytes = 0;  // the least that is left of any; the page cache, which gives way, counts as left
};
std::optional<MemoryLimit> memory_limit(const ControlGroups& groups);

// How many more processes and threads may be started.
std::optional<uint64_t> tasks_left(const ControlGroups& groups);

// How often limits have bitten so far; each none without such a limit.
struct LimitCounts {
  std::optional<uint64_t> cpu_periods, throttled_periods;  // in which the quota counted, and in which it was used up
  std::optional<double> throttled_s;                       // that runnable threads stood still, of all CPUs
  std::optional<uint64_t> memory_hits, oom_kills;          // allocations that met the limit, processes killed for it
};
LimitCounts count_limits(const ControlGroups& groups);

// What was counted between two looks.
LimitCounts operator-(const LimitCounts& after, const LimitCounts& before);

}  // namespace cotenant
