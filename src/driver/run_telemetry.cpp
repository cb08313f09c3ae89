#include "driver/run_telemetry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "results/telemetry.h"
#include "stats/running_mean.h"

namespace cotenant {
namespace {

constexpr int64_t kLookNs = 1'000'000'000;  // between two looks at the GPUs' processes
constexpr double kMostCpuShare = 0.0045;    // of one core, for all questions to all GPUs

// Whether any of its tenants is known to: programs and servers compute where they like.
bool is_computed_on(const RunPlan& plan, const std::string& device) {
  return std::ranges::any_of(plan.tenants, [&](const TenantPlan& tenant) {
    const StressSpec* stress = tenant.order.stressor();
    return tenant.record.device == device && (stress == nullptr || is_device_stress(stress->kind)) &&
           !tenant.order.command() && !tenant.order.server();
  });
}

TelemetrySample at(double t_s) {
  TelemetrySample sample;
  sample.t_s = t_s;
  return sample;
}

void append(std::string& text, const std::string& more) {
  text += (text.empty() || more.empty() ? "" : "; ") + more;
}

}  // namespace

RunTelemetry::RunTelemetry(const RunPlan& plan)
    : interval_ns_(int64_t{plan.settings.telemetry_interval_ms} * 1'000'000),
      is_cuda_(plan.settings.device.starts_with("cuda")) {
  if (!is_cuda_) return;
  nvml_ = Nvml::open(nvml_gap_);
  if (!nvml_) return;
  const double share = kMostCpuShare / static_cast<double>(plan.devices.size());
  for (const DeviceRecord& device : plan.devices) {
    Watched& watched = devices_.emplace_back(Watched{.name = device.device,
                                                     .tenants_compute_on = is_computed_on(plan, device.device),
                                                     .sampler = DeviceSampler(nvml_, device.uuid, share)});
    if (watched.sampler.device()) watched.processes.emplace(*watched.sampler.device());
  }
}

void RunTelemetry::describe(std::vector<DeviceRecord>& devices) const {
  for (DeviceRecord& device : devices) {
    if (nvml_) device.driver = nvml_->driver_version();
    const auto watched = std::ranges::find(devices_, device.device, &Watched::name);
    if (watched == devices_.end() || !watched->sampler.device()) continue;
    const NvmlDevice gpu = watched->sampler.device()->physical();
    device.power_limit_w = gpu.power_limit_w();
    device.max_sm_clock_mhz = gpu.max_sm_clock_mhz();
  }
}

std::optional<MemoryUse> RunTelemetry::memory_of(const std::string& device) const {
  const auto watched = std::ranges::find(devices_, device, &Watched::name);
  const bool known = watched != devices_.end() && watched->sampler.device();
  return known ? watched->sampler.device()->memory() : std::nullopt;
}

void RunTelemetry::start(const std::filesystem::path& file, std::function<std::vector<TenantProcesses>()> tenants) {
  look_at_processes();
  if (interval_ns_ == 0) return;
  tenants_ = std::move(tenants);
  host_.emplace(tenants_());
  file_.emplace(file);
  started_ns_ = now_ns();
}

void RunTelemetry::tick(int64_t t0_ns) {
  if (!host_) return;
  if (now_ns() - sampled_ns_ >= interval_ns_) sample(t0_ns);
  if (now_ns() - looked_ns_ >= kLookNs) look_at_processes();
}

void RunTelemetry::flush() {
  if (file_) file_->flush();
}

void RunTelemetry::stop() {
  look_at_processes();
}

// The interval counts from the end of a sample: a GPU's counters must not be read again within 100 ms.
void RunTelemetry::sample(int64_t t0_ns) {
  const int64_t start_ns = now_ns(), cpu_start_ns = thread_cpu_ns();
  TelemetrySample sample = host_->sample(t0_ns);
  fmt::memory_buffer lines;
  if (devices_.empty()) append_json(lines, sample);
  for (Watched& device : devices_) {
    if (devices_.size() > 1) sample.device = device.name;
    device.sampler.sample(sample);
    append_json(lines, sample);
    device.clocks.push_back({sample.t_s, sample.sm_clock_mhz, sample.memory_clock_mhz});
    sample = at(sample.t_s);
  }
  file_->write({lines.data(), lines.size()});
  ++samples_;
  sampled_ns_ = now_ns();
  longest_ns_ = std::max(longest_ns_, sampled_ns_ - start_ns);
  cpu_ns_ += thread_cpu_ns() - cpu_start_ns;
}

void RunTelemetry::look_at_processes() {
  const int64_t cpu_start_ns = thread_cpu_ns();
  if (host_) host_->watch(tenants_());
  for (Watched& device : devices_)
    if (device.processes) device.processes->look();
  cpu_ns_ += thread_cpu_ns() - cpu_start_ns;
  looked_ns_ = now_ns();
}

void RunTelemetry::move_to(const std::filesystem::path& file) {
  if (file_) file_->move_to(file);
}

void RunTelemetry::finish(ExperimentRecord& record, const std::set<pid_t>& ours) {
  if (file_) file_->close();
  for (const Watched& device : devices_) {
    if (device.processes && looked_ns_ != 0) add_processes(record, device, ours);
    const auto described = std::ranges::find(record.devices, device.name, &DeviceRecord::device);
    add_means(*described, device, record.window);
  }
  record.telemetry.samples = samples_;
  if (samples_ > 1) {
    const auto elapsed_ns = static_cast<double>(sampled_ns_ - started_ns_);
    record.telemetry.sampler_cpu_percent = 100 * static_cast<double>(cpu_ns_) / elapsed_ns;
    record.telemetry.longest_sample_ms = ns_to_ms(longest_ns_);
  }
  add_gaps(record);
}

// Of several devices each is named.
std::string RunTelemetry::told_of(const Watched& device, const std::string& what) const {
  return what.empty() || devices_.size() == 1 ? what : device.name + ": " + what;
}

// Of several devices with the one that a program used.
void RunTelemetry::add_processes(ExperimentRecord& record, const Watched& device, const std::set<pid_t>& ours) const {
  const GpuProcessWatch::Finding found = device.processes->find(ours, device.tenants_compute_on);
  const std::string where = devices_.size() > 1 ? ", on " + device.name : "";
  for (const std::string& process : found.foreign) record.foreign.gpu_processes.push_back(process + where);
  for (const std::string& process : found.bystanders) record.foreign.gpu_bystanders.push_back(process + where);
  append(record.foreign.gpu_processes_gap, told_of(device, found.gap.text()));
  if (found.gap) record.validity.warnings.push_back({told_of(device, found.gap.what), found.gap.remedy});
}

void RunTelemetry::add_means(DeviceRecord& record, const Watched& device,
                             const std::optional<WindowRecord>& window) const {
  RunningMean sm, memory;
  for (const Clocks& clocks : device.clocks) {
    if (window && (clocks.t_s < window->start_s || clocks.t_s > window->end_s)) continue;
    sm.add(clocks.sm_mhz);
    memory.add(clocks.memory_mhz);
  }
  record.sm_clock_mhz = sm.value();
  record.memory_clock_mhz = memory.value();
}

// A gap that nobody can close, as counters that a device does not have, is told but is no warning.
void RunTelemetry::add_gaps(ExperimentRecord& record) const {
  if (!is_cuda_) return;
  auto& warnings = record.validity.warnings;
  const auto tell_gap = [&](const std::string& what, const std::string& remedy) {
    warnings.push_back({"nothing is known of the device's clocks, power and other programs: " + what, remedy});
  };
  record.telemetry.device_gap = nvml_gap_.text();
  if (nvml_gap_) tell_gap(nvml_gap_.what, nvml_gap_.remedy);
  for (const Watched& device : devices_) {
    const Gap& gap = device.sampler.device_gap();
    append(record.telemetry.device_gap, told_of(device, gap.text()));
    if (gap) tell_gap(told_of(device, gap.what), gap.remedy);
    const Gap counters = interval_ns_ != 0 ? device.sampler.counters_gap() : Gap();
    append(record.telemetry.counters_gap, told_of(device, counters.text()));
    if (counters && !counters.remedy.empty()) warnings.push_back({told_of(device, counters.what), counters.remedy});
  }
}

}  // namespace cotenant
