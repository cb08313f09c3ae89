#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "results/telemetry.h"
#include "telemetry/proc.h"

namespace cotenant {

// Samples what /proc tells of the machine and of the tenants' processes; a sample is what was used since the last one.
class HostSampler {
 public:
  // `tenants`: name and process. Tenants that share a process are left out: its use is nobody's in particular.
  // `root` stands before every path that is read.
  explicit HostSampler(const std::vector<std::pair<std::string, pid_t>>& tenants, std::string root = "");

  // About 0.1 ms, and 0.02 ms for each thread of a tenant. The first one has nothing to compare with and tells only
  // levels.
  TelemetrySample sample(int64_t t0_ns);

 private:
  struct Used {  // by a process, so far
    double cpu_s = 0;
    std::optional<ContextSwitches> switches;
  };
  static constexpr std::array<const char*, 3> resources{"cpu", "memory", "io"};

  void add_machine(TelemetrySample& sample, double elapsed_s);
  void add_tenants(TelemetrySample& sample, double elapsed_s);

  const std::string root_;
  std::vector<std::pair<std::string, pid_t>> tenants_;
  std::map<pid_t, Used> used_;  // at the last sample, as all that follows
  CpuTimes cpu_;
  std::array<std::optional<double>, 3> stall_s_;  // of `resources`
  int64_t at_ns_ = 0;                             // 0: there was no sample yet
};

}  // namespace cotenant
