#include "sharing/host_share.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"

namespace cotenant {
namespace {

void check_usable(const TenantConfig& tenant, const std::vector<int>& usable) {
  for (const int cpu : tenant.cpus)
    if (!std::ranges::binary_search(usable, cpu))
      throw usage_error(place(tenant, "cpus"),
                        fmt::format("expected CPUs out of {}, found {}", fmt::join(usable, ","), cpu));
}

// How many of `free` CPUs a tenant without `cpus` gets: its percentage of the machine, or an equal part.
size_t wanted_cpus(const TenantConfig& tenant, size_t machine, size_t free, size_t sharers) {
  if (!tenant.sm_percent) return std::max<size_t>(1, free / sharers);
  const double part = *tenant.sm_percent / 100 * static_cast<double>(machine);
  return std::max<size_t>(1, static_cast<size_t>(std::llround(part)));
}

std::vector<HostShare> partition(std::span<const TenantConfig> tenants, const std::vector<int>& usable) {
  std::vector<HostShare> shares(tenants.size());
  std::set<int> free(usable.begin(), usable.end());
  size_t equal_sharers = 0;
  for (size_t i = 0; i < tenants.size(); ++i) {
    equal_sharers += tenants[i].cpus.empty() && !tenants[i].sm_percent;
    for (const int cpu : tenants[i].cpus)
      if (free.erase(cpu) == 0)
        throw usage_error(place(tenants[i], "cpus"), fmt::format("CPU {} belongs to another tenant already", cpu),
                          "A partition's CPUs are disjoint. Use sharing.mode: timeslice to share them.");
    shares[i].cpus = tenants[i].cpus;
  }
  const auto hand_out = [&](const TenantConfig& tenant, HostShare& share, size_t wanted) {
    if (wanted > free.size())
      throw usage_error(place(tenant, "sharing.mode partition"),
                        fmt::format("needs {} of its own CPUs, {} of {} are left", wanted, free.size(), usable.size()),
                        "Use fewer tenants, smaller sm_percent, or sharing.mode: timeslice.");
    for (; wanted > 0; --wanted) share.cpus.push_back(free.extract(free.begin()).value());
  };
  for (size_t i = 0; i < tenants.size(); ++i)
    if (tenants[i].cpus.empty() && tenants[i].sm_percent)
      hand_out(tenants[i], shares[i], wanted_cpus(tenants[i], usable.size(), 0, 1));
  for (size_t i = 0; i < tenants.size(); ++i)
    if (shares[i].cpus.empty())
      hand_out(tenants[i], shares[i], wanted_cpus(tenants[i], usable.size(), free.size(), equal_sharers--));
  return shares;
}

}  // namespace

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) throw system_error("CPUs", "sched_getaffinity");
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

std::vector<HostShare> divide_host(SharingMode mode, std::span<const TenantConfig> tenants,
                                   const std::vector<int>& usable) {
  for (const TenantConfig& tenant : tenants) check_usable(tenant, usable);
  const bool partitioned = mode == SharingMode::partition;
  std::vector<HostShare> shares = partitioned ? partition(tenants, usable) : std::vector<HostShare>(tenants.size());
  const int equal_part = std::max(1, static_cast<int>(usable.size() / std::max<size_t>(1, tenants.size())));
  for (size_t i = 0; i < tenants.size(); ++i) {
    if (!partitioned) shares[i].cpus = tenants[i].cpus;
    const int own = static_cast<int>(shares[i].cpus.size());
    const int by_default = partitioned ? own : own > 0 ? std::min(own, equal_part) : equal_part;
    shares[i].threads = tenants[i].threads.value_or(by_default);
  }
  return shares;
}

bool oversubscribed(std::span<const HostShare> shares, const std::vector<int>& usable) {
  size_t threads = 0;
  for (const HostShare& share : shares) threads += static_cast<size_t>(share.threads);
  return threads > usable.size();
}

}  // namespace cotenant
