#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// What this machine is, as far as it bears on a measurement. Read from /proc, /sys and system calls; nothing here
// throws: what a machine does not tell stays empty.
namespace cotenant {

struct Machine {
  std::string hostname;
  std::string os;      // "Debian GNU/Linux 12 (bookworm)"
  std::string kernel;  // "6.1.0-18-amd64"
  std::string cpu;     // "AMD EPYC 9B14"

  int logical_cpus = 0;                   // usable by this process (its affinity mask)
  int physical_cores = 0;                 // of the whole machine; fewer than its CPUs where cores have several threads
  int online_cpus = 0;                    // of the whole machine
  bool is_virtual = false;                // a hypervisor is below: clocks and neighbours are out of sight
  std::optional<double> cpu_limit;        // cores that the cgroup's quota allows; none: no quota
  std::vector<std::string> cpu_features;  // of those that matter for products: "avx2", "avx512f", "avx512_bf16", ...

  uint64_t memory_total_bytes = 0;
  uint64_t memory_available_bytes = 0;         // without swapping; the cgroup's limit counts
  std::optional<uint64_t> memory_limit_bytes;  // of the cgroup

  uint64_t most_open_files = 0;        // of one process, at most: RLIMIT_NOFILE's hard limit
  std::optional<uint64_t> tasks_left;  // processes and threads that the cgroup lets start; none: no limit

  std::string governor;               // of CPU 0: "performance"; empty: no frequency scaling to be seen
  std::string transparent_hugepages;  // "always", "madvise" or "never"
  std::optional<double> load1;        // load average over one minute

  bool has_feature(const std::string& name) const;
};

// `root` stands before every path that is read, so that other machines' files can be looked at.
Machine read_machine(const std::string& root = "");

// The cores that may really be used at once: logical_cpus, or the quota where that is less. At least 1.
int usable_cores(const Machine& machine);

}  // namespace cotenant
