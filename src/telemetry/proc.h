#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

// Counters of /proc, as proc(5) tells them.
namespace cotenant {

struct ProcessTimes {
  std::string name;
  double cpu_s = 0;              // user and system, of all threads
  unsigned long long start = 0;  // of the process, in clock ticks since boot: tells a reused pid
  uint64_t resident_bytes = 0;
};

std::optional<ProcessTimes> read_process(pid_t pid);  // none: it has ended

// Of all CPUs together, since boot, time stolen by a hypervisor included; 0 when /proc tells nothing.
double machine_busy_s();

// Memory that is not available to new programs.
std::optional<uint64_t> machine_memory_used_bytes();

}  // namespace cotenant
