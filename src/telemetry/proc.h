#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Counters of /proc, as proc(5) tells them. `root` stands before every path, so that other machines' files can be read.
namespace cotenant {

struct ProcessTimes {
  std::string name;
  double cpu_s = 0;              // user and system, of all threads
  unsigned long long start = 0;  // of the process, in clock ticks since boot: tells a reused pid
  uint64_t resident_bytes = 0;
  double children_cpu_s = 0;  // as cpu_s, of those that it started, that have ended, and that it has waited for
};

std::optional<ProcessTimes> read_process(pid_t pid, const std::string& root = "");  // none: it has ended

struct ContextSwitches {
  uint64_t voluntary = 0, involuntary = 0;
};

// Of all threads that the process has now; none: it has ended.
std::optional<ContextSwitches> read_switches(pid_t pid, const std::string& root = "");

// Since boot, time stolen by a hypervisor included.
struct CpuTimes {
  double busy_s = 0;                // of all CPUs together; 0 when /proc tells nothing
  std::vector<double> each_busy_s;  // of each CPU that is online, in order of its number
  std::vector<int> numbers;         // of those
};

CpuTimes read_cpu_times(const std::string& root = "");

// Memory that is not available to new programs.
std::optional<uint64_t> machine_memory_used_bytes(const std::string& root = "");

// Time since boot in which some task waited for the resource: "cpu", "memory" or "io". None: a kernel without pressure
// stall information.
std::optional<double> read_stall_s(const std::string& resource, const std::string& root = "");

}  // namespace cotenant
