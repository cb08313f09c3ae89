#include "telemetry/control_groups.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <sstream>

namespace cotenant {
namespace {

constexpr uint64_t kNoLimit = uint64_t{1} << 62;  // version 1 writes a number near 2^63 where there is none

std::ifstream open_in(const std::string& directory, const char* file) {
  return std::ifstream(directory + "/" + file);
}

// The number that a file holds; none where it holds something else ("max", "-1") or does not exist.
std::optional<uint64_t> number_in(const std::string& directory, const char* file) {
  std::ifstream in = open_in(directory, file);
  int64_t value = 0;
  return in >> value && value >= 0 ? std::optional(static_cast<uint64_t>(value)) : std::nullopt;
}

// Of a file with lines "name number".
std::optional<uint64_t> read_named(const std::string& directory, const char* file, const std::string& name) {
  std::ifstream in = open_in(directory, file);
  std::string found;
  for (uint64_t value = 0; in >> found >> value;)
    if (found == name) return value;
  return std::nullopt;
}

// ---- where they are ----

struct Mount {
  std::string root, point;  // the group that is mounted, and where
  bool unified = false;
  std::string controllers;  // of version 1: ",cpu,cpuacct,"
};

// "32 31 0:29 /docker/1f /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct", as proc(5) tells.
std::vector<Mount> cgroup_mounts(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream in(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    if (dash[1] == "cgroup2") mounts.push_back({fields[3], fields[4], true, ""});
    if (dash[1] == "cgroup") mounts.push_back({fields[3], fields[4], false, "," + dash[3] + ","});
  }
  return mounts;
}

std::vector<std::string> levels(const std::string& root, const Mount& mount, std::string group) {
  if (mount.root != "/") group = group.starts_with(mount.root) ? group.substr(mount.root.size()) : "";
  std::vector<std::string> directories;
  for (;;) {
    directories.push_back(root + mount.point + (group == "/" ? "" : group));
    if (group.empty() || group == "/") return directories;
    group = std::filesystem::path(group).parent_path().string();
  }
}

// Where `controller` of version 1 (of version 2: "") is mounted; by default where it usually is.
Mount mount_of(const std::vector<Mount>& mounts, const std::string& controller) {
  const bool unified = controller.empty();
  const auto found = std::ranges::find_if(mounts, [&](const Mount& mount) {
    return unified ? mount.unified : mount.controllers.find("," + controller + ",") != std::string::npos;
  });
  if (found != mounts.end()) return *found;
  return {"/", unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller, unified, ""};
}

// ---- what they say ----

void in_each(const std::vector<std::string>& directories, const std::function<void(const std::string&)>& use) {
  std::ranges::for_each(directories, use);
}

std::optional<double> quota_of_unified(const std::string& directory) {
  std::ifstream in = open_in(directory, "cpu.max");  // "max 100000", "150000 100000"
  double quota = 0, period = 0;
  return in >> quota >> period && period > 0 ? std::optional(quota / period) : std::nullopt;
}

std::optional<double> quota_of_first(const std::string& directory) {
  const auto quota = number_in(directory, "cpu.cfs_quota_us"), period = number_in(directory, "cpu.cfs_period_us");
  if (!quota || period.value_or(0) == 0) return std::nullopt;
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

struct Memory {
  std::optional<uint64_t> limit, used, cache;
};

Memory memory_of_unified(const std::string& directory) {
  const auto max = number_in(directory, "memory.max"), high = number_in(directory, "memory.high");
  const auto file = [&](const char* list) { return read_named(directory, "memory.stat", list).value_or(0); };
  return {max && high ? std::min(max, high)
          : max       ? max
                      : high,
          number_in(directory, "memory.current"), file("inactive_file") + file("active_file")};
}

Memory memory_of_first(const std::string& directory) {
  const auto limit = number_in(directory, "memory.limit_in_bytes");
  const auto file = [&](const char* list) { return read_named(directory, "memory.stat", list).value_or(0); };
  return {limit.value_or(kNoLimit) < kNoLimit ? limit : std::nullopt, number_in(directory, "memory.usage_in_bytes"),
          file("total_inactive_file") + file("total_active_file")};
}

template <class T>
void add_to(std::optional<T>& sum, std::optional<T> more) {
  if (more) sum = sum.value_or(0) + *more;
}

template <class T>
std::optional<T> difference(std::optional<T> after, std::optional<T> before) {
  if (!after || !before) return std::nullopt;
  return *after >= *before ? *after - *before : T{0};
}

}  // namespace

// Lines of /proc/self/cgroup: "0::/user.slice" (version 2), "4:cpu,cpuacct:/a/b" (version 1).
ControlGroups find_control_groups(const std::string& root) {
  const std::vector<Mount> mounts = cgroup_mounts(root);
  ControlGroups groups;
  std::ifstream in(root + "/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") groups.unified = levels(root, mount_of(mounts, ""), group);
    const auto of = [&](const char* controller, std::vector<std::string>& directories) {
      if (controllers.find("," + std::string(controller) + ",") != std::string::npos)
        directories = levels(root, mount_of(mounts, controller), group);
    };
    of("cpu", groups.cpu);
    of("memory", groups.memory);
    of("pids", groups.pids);
  }
  return groups;
}

std::optional<double> cpu_quota(const ControlGroups& groups) {
  std::optional<double> least;
  const auto lower = [&](std::optional<double> quota) {
    if (quota && *quota > 0) least = std::min(least.value_or(*quota), *quota);
  };
  in_each(groups.unified, [&](const std::string& directory) { lower(quota_of_unified(directory)); });
  in_each(groups.cpu, [&](const std::string& directory) { lower(quota_of_first(directory)); });
  return least;
}

std::optional<MemoryLimit> memory_limit(const ControlGroups& groups) {
  std::optional<MemoryLimit> least;
  const auto lower = [&](const Memory& memory) {
    if (!memory.limit) return;
    const uint64_t used = memory.used.value_or(0), cache = std::min(used, memory.cache.value_or(0));
    const uint64_t left = *memory.limit - std::min(*memory.limit, used - cache);
    if (!least) least = {*memory.limit, left};
    least->limit_bytes = std::min(least->limit_bytes, *memory.limit);
    least->available_bytes = std::min(least->available_bytes, left);
  };
  in_each(groups.unified, [&](const std::string& directory) { lower(memory_of_unified(directory)); });
  in_each(groups.memory, [&](const std::string& directory) { lower(memory_of_first(directory)); });
  return least;
}

std::optional<uint64_t> tasks_left(const ControlGroups& groups) {
  std::optional<uint64_t> least;
  const auto lower = [&](const std::string& directory) {
    const auto most = number_in(directory, "pids.max"), now = number_in(directory, "pids.current");
    if (!most || !now) return;
    const uint64_t left = *most - std::min(*most, *now);
    least = std::min(least.value_or(left), left);
  };
  in_each(groups.unified, lower);
  in_each(groups.pids, lower);
  return least;
}

LimitCounts count_limits(const ControlGroups& groups) {
  LimitCounts counts;
  const auto add_cpu = [&](const std::string& directory, const char* time, double per_s) {
    const auto stat = [&](const char* name) { return read_named(directory, "cpu.stat", name); };
    add_to(counts.cpu_periods, stat("nr_periods"));
    add_to(counts.throttled_periods, stat("nr_throttled"));
    if (const auto stood = stat(time)) add_to(counts.throttled_s, std::optional(static_cast<double>(*stood) / per_s));
  };
  in_each(groups.unified, [&](const std::string& directory) {
    if (quota_of_unified(directory)) add_cpu(directory, "throttled_usec", 1e6);
    const auto event = [&](const char* name) { return read_named(directory, "memory.events", name); };
    if (!memory_of_unified(directory).limit) return;
    add_to(counts.memory_hits, event("max"));
    add_to(counts.memory_hits, event("high"));
    add_to(counts.oom_kills, event("oom_kill"));
  });
  in_each(groups.cpu, [&](const std::string& directory) {
    if (quota_of_first(directory)) add_cpu(directory, "throttled_time", 1e9);
  });
  in_each(groups.memory, [&](const std::string& directory) {
    if (!memory_of_first(directory).limit) return;
    add_to(counts.memory_hits, number_in(directory, "memory.failcnt"));
    add_to(counts.oom_kills, read_named(directory, "memory.oom_control", "oom_kill"));
  });
  return counts;
}

LimitCounts operator-(const LimitCounts& after, const LimitCounts& before) {
  return {difference(after.cpu_periods, before.cpu_periods),
          difference(after.throttled_periods, before.throttled_periods),
          difference(after.throttled_s, before.throttled_s), difference(after.memory_hits, before.memory_hits),
          difference(after.oom_kills, before.oom_kills)};
}

}  // namespace cotenant
