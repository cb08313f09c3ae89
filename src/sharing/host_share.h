#pragma once

#include <span>
#include <vector>

#include "config/experiment.h"
#include "results/record.h"
#include "telemetry/machine.h"

// How the cores of the machine are divided among tenants, as their compute threads on the CPU and as the threads that
// feed a GPU.
namespace cotenant {

struct HostCpus {
  std::vector<std::vector<int>> cores;  // the CPUs that this process may use, those of one core together
  int at_once = 1;                      // how many may be busy at once: all of them, or what a quota allows

  std::vector<int> cpus() const;  // ascending
};

HostCpus host_cpus(const Machine& machine);

struct HostShare {
  int threads = 1;        // that compute
  std::vector<int> cpus;  // to which they are pinned; empty: the operating system decides
};

// One share per tenant. Without `threads` a tenant has max(1, CPUs at once / tenants), in a partition no more than the
// CPUs it owns. `timeslice` pins only tenants with `cpus`. `partition` gives each tenant CPUs of its own: those it
// names, the others by sm_percent or in equal parts, in whole cores as long as there is one for each, at least one CPU
// each. Throws usage_error naming the tenant: a CPU that is not usable, one that two tenants of a partition name, too
// few CPUs.
std::vector<HostShare> divide_host(SharingMode mode, std::span<const TenantConfig> tenants, const HostCpus& host);

// Tenants that are pinned to different hardware threads of one core share its arithmetic and its caches all the same.
std::vector<WarningRecord> shared_core_warnings(std::span<const TenantConfig> tenants,
                                                std::span<const HostShare> shares, const HostCpus& host);

// Whether the compute threads of all tenants outnumber the CPUs at once; then none of them may spin while it waits
// (libgomp's spinning turns 0.1 ms products into 8 ms beside one busy process).
bool oversubscribed(std::span<const HostShare> shares, const HostCpus& host);

}  // namespace cotenant
