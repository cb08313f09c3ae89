#pragma once

#include <span>
#include <vector>

#include "config/experiment.h"

// How the cores of the machine are divided among tenants, as their compute threads on the CPU and as the threads that
// feed a GPU.
namespace cotenant {

struct HostShare {
  int threads = 1;        // that compute
  std::vector<int> cpus;  // to which they are pinned; empty: the operating system decides
};

// The CPUs this process may use, ascending.
std::vector<int> usable_cpus();

// One share per tenant. Without `threads` a tenant has max(1, CPUs / tenants), in a partition one for each CPU it owns.
// `timeslice` pins only tenants with `cpus`. `partition` gives each tenant CPUs of its own: those it names, the others
// by sm_percent or in equal parts, at least one each. Throws usage_error naming the tenant: a CPU that is not usable,
// one that two tenants of a partition name, too few CPUs.
std::vector<HostShare> divide_host(SharingMode mode, std::span<const TenantConfig> tenants,
                                   const std::vector<int>& usable);

// Whether the compute threads of all tenants outnumber the CPUs; then none of them may spin while it waits (libgomp's
// spinning turns 0.1 ms products into 8 ms beside one busy process).
bool oversubscribed(std::span<const HostShare> shares, const std::vector<int>& usable);

}  // namespace cotenant
