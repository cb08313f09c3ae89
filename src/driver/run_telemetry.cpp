#include "driver/run_telemetry.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "results/telemetry.h"
#include "stats/running_mean.h"

namespace cotenant {
namespace {

constexpr int64_t kLookNs = 1'000'000'000;  // between two looks at the GPU's processes

}  // namespace

RunTelemetry::RunTelemetry(const RunPlan& plan)
    : interval_ns_(int64_t{plan.settings.telemetry_interval_ms} * 1'000'000),
      is_cuda_(plan.settings.device.starts_with("cuda")) {
  if (!is_cuda_) return;
  for (const TenantPlan& tenant : plan.tenants)
    computes_on_gpu_ |= (tenant.order.stressor() == nullptr || is_device_stress(tenant.order.stressor()->kind)) &&
                        !tenant.order.command() && !tenant.order.server();  // which compute where they like
  nvml_ = Nvml::open(nvml_gap_);
  if (!nvml_) return;
  device_.emplace(nvml_, plan.device.uuid);
  nvml_gap_ = device_->device_gap();
  if (device_->device()) processes_.emplace(*device_->device());
}

void RunTelemetry::describe(DeviceRecord& device) const {
  if (nvml_) device.driver = nvml_->driver_version();
  if (!device_ || !device_->device()) return;
  const NvmlDevice gpu = device_->device()->physical();
  device.power_limit_w = gpu.power_limit_w();
  device.max_sm_clock_mhz = gpu.max_sm_clock_mhz();
}

std::optional<MemoryUse> RunTelemetry::device_memory() const {
  return device_ && device_->device() ? device_->device()->memory() : std::nullopt;
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
  if (device_) device_->sample(sample);
  fmt::memory_buffer line;
  append_json(line, sample);
  file_->write({line.data(), line.size()});
  clocks_.push_back({sample.t_s, sample.sm_clock_mhz, sample.memory_clock_mhz});
  ++samples_;
  sampled_ns_ = now_ns();
  longest_ns_ = std::max(longest_ns_, sampled_ns_ - start_ns);
  cpu_ns_ += thread_cpu_ns() - cpu_start_ns;
}

void RunTelemetry::look_at_processes() {
  const int64_t cpu_start_ns = thread_cpu_ns();
  if (host_) host_->watch(tenants_());
  if (processes_) processes_->look();
  cpu_ns_ += thread_cpu_ns() - cpu_start_ns;
  looked_ns_ = now_ns();
}

void RunTelemetry::move_to(const std::filesystem::path& file) {
  if (file_) file_->move_to(file);
}

void RunTelemetry::finish(ExperimentRecord& record, const std::set<pid_t>& ours) {
  if (file_) file_->close();
  if (processes_ && looked_ns_ != 0) {
    const GpuProcessWatch::Finding found = processes_->find(ours, computes_on_gpu_);
    record.foreign.gpu_processes = found.foreign;
    record.foreign.gpu_bystanders = found.bystanders;
    record.foreign.gpu_processes_gap = found.gap.text();
    if (found.gap) record.validity.warnings.push_back({found.gap.what, found.gap.remedy});
  }
  record.telemetry.samples = samples_;
  if (samples_ > 1) {
    const auto elapsed_ns = static_cast<double>(sampled_ns_ - started_ns_);
    record.telemetry.sampler_cpu_percent = 100 * static_cast<double>(cpu_ns_) / elapsed_ns;
    record.telemetry.longest_sample_ms = ns_to_ms(longest_ns_);
  }
  add_means(record);
  add_gaps(record);
}

void RunTelemetry::add_means(ExperimentRecord& record) const {
  RunningMean sm, memory;
  for (const Clocks& clocks : clocks_) {
    if (record.window && (clocks.t_s < record.window->start_s || clocks.t_s > record.window->end_s)) continue;
    sm.add(clocks.sm_mhz);
    memory.add(clocks.memory_mhz);
  }
  record.device.sm_clock_mhz = sm.value();
  record.device.memory_clock_mhz = memory.value();
}

// A gap that nobody can close, as counters that a device does not have, is told but is no warning.
void RunTelemetry::add_gaps(ExperimentRecord& record) const {
  if (!is_cuda_) return;
  record.telemetry.device_gap = nvml_gap_.text();
  if (nvml_gap_)
    record.validity.warnings.push_back(
        {"nothing is known of the device's clocks, power and other programs: " + nvml_gap_.what, nvml_gap_.remedy});
  const Gap counters = device_ && interval_ns_ != 0 ? device_->counters_gap() : Gap();
  record.telemetry.counters_gap = counters.text();
  if (counters && !counters.remedy.empty()) record.validity.warnings.push_back({counters.what, counters.remedy});
}

}  // namespace cotenant
