#include "telemetry/host_sampler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/clock.h"

namespace cotenant {
namespace {

// In tenths: the kernel counts in hundredths of a second, and the file is long enough.
double percent(double used_s, double elapsed_s) {
  return std::round(std::clamp(used_s / elapsed_s, 0.0, 1.0) * 1000) / 10;
}

// 0: there was no time before.
double seconds_since(int64_t before_ns, int64_t now_ns) {
  return before_ns == 0 ? 0 : ns_to_s(now_ns - before_ns);
}

void add(std::optional<ContextSwitches>& sum, const ContextSwitches& more) {
  if (!sum) sum.emplace();
  sum->voluntary += more.voluntary;
  sum->involuntary += more.involuntary;
}

// A sum over threads falls when one ends; then nothing is known.
std::optional<double> grown(uint64_t before, uint64_t after) {
  if (after < before) return std::nullopt;
  return static_cast<double>(after - before);
}

}  // namespace

HostSampler::HostSampler(const std::vector<TenantProcesses>& tenants, double most_cpu_share, std::string root)
    : root_(std::move(root)), ask_machine_(most_cpu_share * 0.5), ask_tenants_(most_cpu_share * 0.5) {
  watch(tenants);
}

void HostSampler::watch(const std::vector<TenantProcesses>& tenants) {
  std::map<pid_t, int> users;
  for (const TenantProcesses& tenant : tenants)
    for (const pid_t pid : tenant.pids) ++users[pid];
  tenants_.clear();
  for (const TenantProcesses& tenant : tenants)
    if (std::ranges::none_of(tenant.pids, [&](pid_t pid) { return users[pid] > 1; })) tenants_.push_back(tenant);
}

TelemetrySample HostSampler::sample(int64_t t0_ns) {
  const int64_t now = now_ns();
  TelemetrySample sample;
  sample.t_s = static_cast<double>(now - t0_ns) / 1e9;
  ask_machine_.ask([&] { add_machine(sample, now); });
  ask_tenants_.ask([&] { add_tenants(sample, now); });
  return sample;
}

void HostSampler::add_machine(TelemetrySample& sample, int64_t now_ns) {
  const double elapsed_s = seconds_since(std::exchange(machine_ns_, now_ns), now_ns);
  CpuTimes cpu = read_cpu_times(root_);
  if (elapsed_s > 0) sample.busy_cores = (cpu.busy_s - cpu_.busy_s) / elapsed_s;
  if (elapsed_s > 0 && cpu.each_busy_s.size() == cpu_.each_busy_s.size())
    for (size_t i = 0; i < cpu.each_busy_s.size(); ++i)
      sample.cpu_percent.push_back(percent(cpu.each_busy_s[i] - cpu_.each_busy_s[i], elapsed_s));
  cpu_ = std::move(cpu);
  const std::array fields{&TelemetrySample::cpu_stall_percent, &TelemetrySample::memory_stall_percent,
                          &TelemetrySample::io_stall_percent};
  for (size_t i = 0; i < resources.size(); ++i) {
    const auto stall_s = read_stall_s(resources[i], root_);
    if (elapsed_s > 0 && stall_s && stall_s_[i]) sample.*fields[i] = percent(*stall_s - *stall_s_[i], elapsed_s);
    stall_s_[i] = stall_s;
  }
  if (const auto used = machine_memory_used_bytes(root_)) sample.host_memory_used_bytes = static_cast<double>(*used);
}

void HostSampler::add_tenants(TelemetrySample& sample, int64_t now_ns) {
  const double elapsed_s = seconds_since(std::exchange(tenants_ns_, now_ns), now_ns);
  for (const auto& [name, pids] : tenants_) {
    TenantTelemetry tenant;
    tenant.name = name;
    Used now;
    double resident_bytes = 0;
    bool is_there = false;
    for (const pid_t pid : pids) {
      const auto process = read_process(pid, root_);
      if (!process) continue;
      is_there = true;
      resident_bytes += static_cast<double>(process->resident_bytes);
      now.cpu_s += process->cpu_s + process->children_cpu_s;
      if (const auto switches = read_switches(pid, root_)) add(now.switches, *switches);
    }
    if (!is_there) continue;
    tenant.resident_bytes = resident_bytes;
    Used& before = used_[name];
    if (elapsed_s > 0 && now.cpu_s >= before.cpu_s) {
      tenant.cpu_s = now.cpu_s - before.cpu_s;
      tenant.busy_cores = *tenant.cpu_s / elapsed_s;
    }
    if (elapsed_s > 0 && now.switches && before.switches) {
      tenant.voluntary_switches = grown(before.switches->voluntary, now.switches->voluntary);
      tenant.involuntary_switches = grown(before.switches->involuntary, now.switches->involuntary);
    }
    before = now;
    sample.tenants.push_back(std::move(tenant));
  }
}

}  // namespace cotenant
