#include "telemetry/host_sampler.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "telemetry/proc.h"

namespace cotenant {

HostSampler::HostSampler(const std::vector<std::pair<std::string, pid_t>>& tenants) {
  for (const auto& tenant : tenants) {
    const auto users = std::ranges::count(tenants, tenant.second, &std::pair<std::string, pid_t>::second);
    if (users == 1) tenants_.push_back(tenant);
  }
}

TelemetrySample HostSampler::sample(int64_t t0_ns) {
  const int64_t now = now_ns();
  const double busy_s = machine_busy_s();
  const double elapsed_s = at_ns_ == 0 ? 0 : ns_to_s(now - at_ns_);
  TelemetrySample sample;
  sample.t_s = static_cast<double>(now - t0_ns) / 1e9;
  if (elapsed_s > 0) sample.busy_cores = (busy_s - busy_s_) / elapsed_s;
  if (const auto used = machine_memory_used_bytes()) sample.host_memory_used_bytes = static_cast<double>(*used);
  for (const auto& [name, pid] : tenants_) {
    const auto process = read_process(pid);
    if (!process) continue;
    TenantTelemetry tenant{.name = name, .busy_cores = {}, .resident_bytes = {}};
    tenant.resident_bytes = static_cast<double>(process->resident_bytes);
    if (elapsed_s > 0) tenant.busy_cores = (process->cpu_s - cpu_s_[pid]) / elapsed_s;
    cpu_s_[pid] = process->cpu_s;
    sample.tenants.push_back(std::move(tenant));
  }
  busy_s_ = busy_s;
  at_ns_ = now;
  return sample;
}

}  // namespace cotenant
