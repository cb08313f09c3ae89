#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "results/telemetry.h"

namespace cotenant {

// Samples what /proc tells of the machine and of the tenants' processes; a sample is what was used since the last one.
class HostSampler {
 public:
  // `tenants`: name and process. Tenants that share a process are left out: its use is nobody's in particular.
  explicit HostSampler(const std::vector<std::pair<std::string, pid_t>>& tenants);

  // About 0.1 ms. The first one has nothing to compare with and tells only levels.
  TelemetrySample sample(int64_t t0_ns);

 private:
  std::vector<std::pair<std::string, pid_t>> tenants_;
  std::map<pid_t, double> cpu_s_;  // at the last sample
  double busy_s_ = 0;
  int64_t at_ns_ = 0;  // of the last sample; 0: none yet
};

}  // namespace cotenant
