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
#include "telemetry/rationed_question.h"

namespace cotenant {

// The processes of one tenant, with all that they have started and is still there.
struct TenantProcesses {
  std::string name;
  std::vector<pid_t> pids;
};

// Samples what /proc tells of the machine and of the tenants' processes; a sample is what was used since the last one.
class HostSampler {
 public:
  // `most_cpu_share`: of one core, for all that is read. `root` stands before every path.
  explicit HostSampler(const std::vector<TenantProcesses>& tenants, double most_cpu_share = 0.0035,
                       std::string root = "");

  // From here on these are the tenants' processes. Tenants that share one are left out: its use is nobody's in
  // particular.
  void watch(const std::vector<TenantProcesses>& tenants);

  // The machine costs about 0.1 ms, each thread of a tenant 0.02 ms: what is too dear is not in every sample, and then
  // tells what was used since it was last. The first sample has nothing to compare with and tells only levels.
  TelemetrySample sample(int64_t t0_ns);

 private:
  struct Used {  // by a tenant's processes, so far
    double cpu_s = 0;
    std::optional<ContextSwitches> switches;
  };
  static constexpr std::array<const char*, 3> resources{"cpu", "memory", "io"};

  void add_machine(TelemetrySample& sample, int64_t now_ns);
  void add_tenants(TelemetrySample& sample, int64_t now_ns);

  const std::string root_;
  std::vector<TenantProcesses> tenants_;
  std::map<std::string, Used> used_;  // at the last sample, as all that follows
  CpuTimes cpu_;
  std::array<std::optional<double>, 3> stall_s_;  // of `resources`
  int64_t machine_ns_ = 0, tenants_ns_ = 0;       // 0: not asked yet
  RationedQuestion ask_machine_, ask_tenants_;
};

}  // namespace cotenant
