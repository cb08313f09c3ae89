#include "sharing/host_share.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/affinity.h"
#include "base/error.h"
#include "telemetry/topology.h"

namespace cotenant {
namespace {

void check_usable(const TenantConfig& tenant, const std::vector<int>& usable) {
  for (const int cpu : tenant.cpus)
    if (!std::ranges::binary_search(usable, cpu))
      throw usage_error(place(tenant, "cpus"),
                        fmt::format("expected CPUs out of {}, found {}", fmt::join(usable, ","), cpu));
}

// What is left of the machine while a partition hands it out.
class Free {
 public:
  explicit Free(const HostCpus& host) : cores_(host.cores), sizes_(host.cores.size()) {
    std::ranges::transform(cores_, sizes_.begin(), &std::vector<int>::size);
  }

  size_t cpus() const {
    size_t count = 0;
    for (const auto& core : cores_) count += core.size();
    return count;
  }
  size_t whole_cores() const {
    size_t count = 0;
    for (size_t i = 0; i < cores_.size(); ++i) count += is_whole(i);
    return count;
  }

  // False: it is not free.
  bool take(int cpu) {
    return std::ranges::any_of(cores_, [cpu](auto& core) { return std::erase(core, cpu) > 0; });
  }

  void take_cores(size_t count, std::vector<int>& to) {
    for (size_t i = 0; i < cores_.size() && count > 0; ++i) {
      if (!is_whole(i)) continue;
      std::ranges::move(cores_[i], std::back_inserter(to));
      cores_[i].clear();
      --count;
    }
  }

  // Of cores that are split already before others.
  void take_cpus(size_t count, std::vector<int>& to) {
    for (const bool whole : {false, true})
      for (size_t i = 0; i < cores_.size(); ++i)
        if (whole || !is_whole(i))
          for (; !cores_[i].empty() && count > 0; --count) {
            to.push_back(cores_[i].front());
            cores_[i].erase(cores_[i].begin());
          }
  }

 private:
  bool is_whole(size_t core) const { return !cores_[core].empty() && cores_[core].size() == sizes_[core]; }

  std::vector<std::vector<int>> cores_;
  std::vector<size_t> sizes_;
};

[[noreturn]] void refuse_partition(const TenantConfig& tenant, size_t wanted, size_t left, size_t all) {
  throw usage_error(place(tenant, "sharing.mode partition"),
                    fmt::format("needs {} of its own CPUs, {} of {} are left", wanted, left, all),
                    "Use fewer tenants, smaller sm_percent, or sharing.mode: timeslice.");
}

// A percentage of the machine, in cores where it comes to at least one.
void take_percentage(const TenantConfig& tenant, const HostCpus& host, Free& free, std::vector<int>& to) {
  const auto part = [&](size_t of) {
    return static_cast<size_t>(std::llround(*tenant.sm_percent / 100 * static_cast<double>(of)));
  };
  const size_t all = host.cpus().size(), cores = part(host.cores.size());
  if (cores >= 1 && cores <= free.whole_cores()) return free.take_cores(cores, to);
  const size_t wanted = std::max<size_t>(1, part(all));
  if (wanted > free.cpus()) refuse_partition(tenant, wanted, free.cpus(), all);
  free.take_cpus(wanted, to);
}

// An equal part of what is left, in cores where there is one for each.
void take_equal_part(const TenantConfig& tenant, const HostCpus& host, size_t sharers, Free& free,
                     std::vector<int>& to) {
  if (free.whole_cores() >= sharers) return free.take_cores(free.whole_cores() / sharers, to);
  const size_t wanted = std::max<size_t>(1, free.cpus() / sharers);
  if (wanted > free.cpus()) refuse_partition(tenant, wanted, free.cpus(), host.cpus().size());
  free.take_cpus(wanted, to);
}

std::vector<HostShare> partition(std::span<const TenantConfig> tenants, const HostCpus& host) {
  std::vector<HostShare> shares(tenants.size());
  Free free(host);
  size_t equal_sharers = 0;
  for (size_t i = 0; i < tenants.size(); ++i) {
    equal_sharers += tenants[i].cpus.empty() && !tenants[i].sm_percent;
    for (const int cpu : tenants[i].cpus)
      if (!free.take(cpu))
        throw usage_error(place(tenants[i], "cpus"), fmt::format("CPU {} belongs to another tenant already", cpu),
                          "A partition's CPUs are disjoint. Use sharing.mode: timeslice to share them.");
    shares[i].cpus = tenants[i].cpus;
  }
  for (size_t i = 0; i < tenants.size(); ++i)
    if (tenants[i].cpus.empty() && tenants[i].sm_percent) take_percentage(tenants[i], host, free, shares[i].cpus);
  for (size_t i = 0; i < tenants.size(); ++i)
    if (shares[i].cpus.empty()) take_equal_part(tenants[i], host, equal_sharers--, free, shares[i].cpus);
  for (HostShare& share : shares) std::ranges::sort(share.cpus);
  return shares;
}

bool meet(const std::vector<int>& a, const std::vector<int>& b) {
  return std::ranges::any_of(a, [&](int cpu) { return std::ranges::count(b, cpu) > 0; });
}

}  // namespace

std::vector<int> HostCpus::cpus() const {
  std::vector<int> all;
  for (const auto& core : cores) all.insert(all.end(), core.begin(), core.end());
  std::ranges::sort(all);
  return all;
}

HostCpus host_cpus(const Machine& machine) {
  return {cores_of(affinity()), usable_cores(machine)};
}

std::vector<HostShare> divide_host(SharingMode mode, std::span<const TenantConfig> tenants, const HostCpus& host) {
  const std::vector<int> usable = host.cpus();
  for (const TenantConfig& tenant : tenants) check_usable(tenant, usable);
  const bool partitioned = mode == SharingMode::partition;
  std::vector<HostShare> shares = partitioned ? partition(tenants, host) : std::vector<HostShare>(tenants.size());
  const int equal_part = std::max(1, host.at_once / std::max(1, static_cast<int>(tenants.size())));
  const bool limited = host.at_once < static_cast<int>(usable.size());
  for (size_t i = 0; i < tenants.size(); ++i) {
    if (!partitioned) shares[i].cpus = tenants[i].cpus;
    const int own = static_cast<int>(shares[i].cpus.size());
    const int most = partitioned && !limited ? own : equal_part;
    shares[i].threads = tenants[i].threads.value_or(own > 0 ? std::min(own, most) : most);
  }
  return shares;
}

std::vector<WarningRecord> shared_core_warnings(std::span<const TenantConfig> tenants,
                                                std::span<const HostShare> shares, const HostCpus& host) {
  std::vector<std::string> pairs;
  for (size_t i = 0; i < shares.size(); ++i)
    for (size_t j = i + 1; j < shares.size(); ++j) {
      if (meet(shares[i].cpus, shares[j].cpus)) continue;  // they are told to share
      const auto both = std::ranges::find_if(
          host.cores, [&](const auto& core) { return meet(core, shares[i].cpus) && meet(core, shares[j].cpus); });
      if (both != host.cores.end())
        pairs.push_back(fmt::format("{} and {} (CPUs {})", tenants[i].name, tenants[j].name, fmt::join(*both, ",")));
    }
  if (pairs.empty()) return {};
  return {{fmt::format("tenants are pinned to hardware threads of one core: {}{}", pairs.front(),
                       pairs.size() > 1 ? fmt::format(" and {} more pairs", pairs.size() - 1) : ""),
           "give each whole cores (`lscpu -e` lists them), or use fewer tenants"}};
}

bool oversubscribed(std::span<const HostShare> shares, const HostCpus& host) {
  int threads = 0;
  for (const HostShare& share : shares) threads += share.threads;
  return threads > host.at_once;
}

}  // namespace cotenant
