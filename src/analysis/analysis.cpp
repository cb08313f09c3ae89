#include "analysis/analysis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "analysis/baseline.h"
#include "analysis/fairness.h"
#include "analysis/load.h"
#include "analysis/progress.h"
#include "analysis/summary.h"
#include "analysis/telemetry.h"
#include "analysis/warnings.h"
#include "base/error.h"
#include "base/open_file.h"
#include "results/window.h"
#include "stats/change_point.h"
#include "stats/describe.h"

namespace cotenant {

std::string_view to_string(Metric metric) {
  switch (metric) {
    case Metric::latency:
      return "latency";
    case Metric::gpu:
      return "gpu";
    case Metric::ttft:
      return "ttft";
    case Metric::tpot:
      return "tpot";
    case Metric::itl:
      return "itl";
  }
  return "?";
}

std::string_view title(Metric metric) {
  switch (metric) {
    case Metric::latency:
      return "latency";
    case Metric::gpu:
      return "GPU time";
    case Metric::ttft:
      return "time to first token";
    case Metric::tpot:
      return "time per output token";
    case Metric::itl:
      return "inter-token latency";
  }
  return "?";
}

std::string unit_title(Metric metric) {
  return std::string(title(metric)) + " (ms)";
}

const Summary* summary_of(const TenantAnalysis& tenant, Metric metric) {
  const auto pick = [](const std::optional<Summary>& summary) { return summary ? &*summary : nullptr; };
  switch (metric) {
    case Metric::latency:
      return &tenant.latency_ms;
    case Metric::gpu:
      return pick(tenant.gpu_ms);
    case Metric::ttft:
      return pick(tenant.ttft_ms);
    case Metric::tpot:
      return pick(tenant.tpot_ms);
    case Metric::itl:
      return pick(tenant.itl_ms);
  }
  return nullptr;
}

std::span<const double> column(const Samples& samples, Metric metric) {
  switch (metric) {
    case Metric::latency:
      return samples.latency_ms;
    case Metric::gpu:
      return samples.gpu_ms;
    case Metric::ttft:
      return samples.ttft_ms;
    case Metric::tpot:
      return samples.tpot_ms;
    case Metric::itl:
      return {};
  }
  return {};
}

std::string_view to_string(Clock clock) {
  return clock == Clock::host ? "host" : "cuda_event";
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::fair:
      return "fair";
    case Verdict::hogging:
      return "hogging";
    case Verdict::starved:
      return "starved";
    case Verdict::unclear:
      return "unclear";
  }
  return "?";
}

namespace {

// Over the iterations that count and have both.
std::optional<double> mean_host_ms(const Samples& samples) {
  std::vector<double> host_ms;
  for (size_t i = 0; i < samples.gpu_ms.size(); ++i)
    if (samples.counts[i] && !std::isnan(samples.gpu_ms[i]))
      host_ms.push_back(samples.latency_ms[i] - samples.gpu_ms[i]);
  return host_ms.empty() ? std::nullopt : std::optional(mean(host_ms));
}

std::optional<Summary> queue_summary(const Samples& samples) {
  std::vector<double> queue_ms;
  for (size_t i = 0; i < samples.queue_ms.size(); ++i)
    if (samples.counts[i] && !std::isnan(samples.queue_ms[i])) queue_ms.push_back(samples.queue_ms[i]);
  return summarize_column(queue_ms);
}

std::optional<Summary> overlap_summary(const LoadedTenant& tenant, const WindowRecord& window) {
  std::vector<double> inside;
  const Samples& samples = tenant.samples;
  for (size_t i = 0; i < samples.end_s.size(); ++i)
    if (samples.start_s[i] >= window.start_s && samples.end_s[i] <= window.end_s)
      inside.push_back(samples.latency_ms[i]);
  return summarize_column(inside);
}

std::optional<StressUse> stress_use(const TenantRecord& record) {
  const StressSpec* spec = record.stressor();
  if (spec == nullptr) return std::nullopt;
  StressUse use;
  use.kind = to_string(spec->kind);
  use.service_ms = spec->service_ms;
  if (!record.stress) return use;
  const StressRecord& stress = *record.stress;
  use.intensity = stress.intensity;
  use.calibrated_ms = stress.calibrated_ms;
  use.unit = stress.unit;
  use.rate_alone = stress.rate_alone;
  use.rate = stress.rate;
  use.rate_share = stress.rate_share;
  use.slowdown = stress.slowdown;
  use.footprint_sms = stress.footprint_sms;
  return use;
}

void copy_record(TenantAnalysis& tenant, const TenantRecord& record) {
  tenant.engine = record.engine_name();
  if (const auto dtype = record.dtype()) tenant.dtype = to_string(*dtype);
  tenant.stress = stress_use(record);
  tenant.weights_bytes = record.weights_bytes;
  tenant.activation_bytes = record.activation_bytes;
  tenant.resident_bytes = record.resident_bytes;
  if (record.exit.died)
    tenant.died = record.exit.what + (record.exit.last_error.empty() ? "" : ": " + record.exit.last_error);
}

TenantAnalysis analyze_tenant(const LoadedTenant& loaded, const LoadedExperiment& experiment, Metric metric) {
  TenantAnalysis tenant;
  tenant.name = loaded.name;
  tenant.directory = loaded.directory;
  tenant.device = loaded.record ? loaded.record->device : "";
  tenant.model = loaded.work.model;
  tenant.task = loaded.work.task;
  tenant.batch_size = loaded.work.batch_size;
  tenant.seq_len = loaded.work.seq_len;
  tenant.clock = loaded.clock();
  if (loaded.record) copy_record(tenant, *loaded.record);
  tenant.iterations = loaded.events.iterations;
  tenant.rejected = static_cast<size_t>(loaded.tally.rejected);
  tenant.failed = static_cast<size_t>(loaded.tally.failed);
  tenant.outside_window = loaded.outside_window;

  const Samples& samples = loaded.samples;
  tenant.metric_ms = counted(samples, metric);
  tenant.metric_sorted_ms = sorted_copy(tenant.metric_ms);
  const auto summary = [&](Metric column) {
    return column == metric ? summarize_column(tenant.metric_ms, tenant.metric_sorted_ms)
                            : summarize_column(counted(samples, column));
  };
  tenant.latency_ms = summary(Metric::latency).value_or(Summary{});
  tenant.gpu_ms = summary(Metric::gpu);
  tenant.ttft_ms = summary(Metric::ttft);
  tenant.tpot_ms = summary(Metric::tpot);
  tenant.itl_ms = summary(Metric::itl);
  tenant.queue_ms = queue_summary(samples);
  tenant.host_ms = mean_host_ms(samples);
  if (experiment.fixed && experiment.window) tenant.overlap_latency_ms = overlap_summary(loaded, *experiment.window);
  if (const auto late = late_warmup(tenant.metric_ms)) {
    (late->early ? tenant.settled_after : tenant.changed_after) = late->settled_after;
    tenant.settling_shift = late->shift;
  }

  tenant.tokens_per_s = loaded.tokens_per_s();
  if (loaded.generates() && loaded.duration_s > 0)
    tenant.total_tokens_per_s = (loaded.tally.tokens_in + loaded.tally.tokens_out) / loaded.duration_s;
  tenant.rate_per_s = loaded.rate_per_s();
  tenant.attainment = loaded.attainment;
  if (loaded.record) tenant.yielded = loaded.record->yielded, tenant.steady = loaded.record->steady;
  if (loaded.record && loaded.record->schedule) {
    const ScheduleRecord& schedule = *loaded.record->schedule;
    tenant.lag_p99_us = schedule.lag_p99_us;
    if (experiment.window && experiment.window->end_s > 0)  // they were due from T0, which is 0, until then
      tenant.offered_per_s = static_cast<double>(schedule.offered) / experiment.window->end_s;
    if (loaded.tally.completed > 0)
      tenant.arrival_ratio = static_cast<double>(schedule.offered) / static_cast<double>(loaded.tally.completed);
  }
  if (loaded.duration_s > 0) tenant.wall_s = loaded.duration_s;
  tenant.completion_s = loaded.completion_s;
  return tenant;
}

void require_metric(const ExperimentAnalysis& analysis) {
  const auto has = [](const TenantAnalysis& tenant) { return !tenant.metric_ms.empty(); };
  if (analysis.metric == Metric::latency || std::ranges::any_of(analysis.tenants, has)) return;
  throw usage_error(analysis.directory.string(),
                    fmt::format("no tenant has values for --metric {}", to_string(analysis.metric)),
                    analysis.study_form ? "The study's files have latencies alone: leave --metric out."
                                        : "ttft, tpot and itl need tenants that generate, gpu a CUDA device.");
}

// In the study's form tenants start together, behind a barrier, and each ends with its time_elapsed.
std::optional<double> overlap_s(const LoadedExperiment& experiment) {
  if (experiment.record)
    return experiment.window && experiment.window->duration_s() > 0 ? std::optional(experiment.window->duration_s())
                                                                    : std::nullopt;
  std::optional<double> shortest;
  for (const LoadedTenant& tenant : experiment.tenants)
    if (tenant.completion_s) shortest = std::min(shortest.value_or(*tenant.completion_s), *tenant.completion_s);
  return shortest;
}

std::string device_of(const LoadedTenant& tenant) {
  return tenant.record ? tenant.record->device : "";
}

// Of all tenants, or of those on one device.
void add_throughput(DeviceAnalysis& device, const LoadedExperiment& experiment,
                    const std::optional<std::string>& only = std::nullopt) {
  double tokens = 0;
  for (const LoadedTenant& tenant : experiment.tenants) {
    if (only && device_of(tenant) != *only) continue;
    if (tenant.completion_s)
      device.max_completion_s = std::max(device.max_completion_s.value_or(0), *tenant.completion_s);
    tokens += tenant.generates() ? tenant.tally.tokens_out : tenant.tally.tokens_in;
  }
  device.overlap_s = overlap_s(experiment);
  const bool by_window = experiment.window && !experiment.fixed;
  const double duration_s = by_window ? experiment.window->duration_s() : device.max_completion_s.value_or(0);
  if (duration_s > 0 && tokens > 0) device.tokens_per_s = tokens / duration_s;
}

void analyze_devices(ExperimentAnalysis& analysis, const LoadedExperiment& experiment) {
  add_throughput(analysis.device, experiment);
  if (!experiment.record) {
    static_cast<DeviceAnalysis&>(analysis.devices.emplace_back()) = analysis.device;
    return;
  }
  analysis.device.name = device_names(*experiment.record);
  analysis.device.uuid = device_uuids(*experiment.record);
  for (const DeviceRecord& described : experiment.record->devices) {
    PerDeviceAnalysis& device = analysis.devices.emplace_back();
    device.device = described.device;
    device.name = described.name;
    device.uuid = described.uuid;
    add_throughput(device, experiment, described.device);
  }
}

// What bounds several devices together, where one thing does.
void set_bound_of_several(ExperimentAnalysis& analysis) {
  std::vector<std::string> bounds;
  for (const PerDeviceAnalysis& device : analysis.devices)
    bounds.push_back(fmt::format("{} {}", device.device, device.bound.empty() ? "unknown" : device.bound));
  const auto alike = [&](const PerDeviceAnalysis& device) { return device.bound == analysis.devices.front().bound; };
  const bool one = std::ranges::all_of(analysis.devices, alike);
  analysis.device.bound = one ? analysis.devices.front().bound : "";
  analysis.device.bound_reason = fmt::format("{}", fmt::join(bounds, ", "));
}

// Of the devices, and what each tenant is bound by as far as this run tells it: only who has a device for itself is
// alone there.
void set_device_telemetry(ExperimentAnalysis& analysis, const LoadedExperiment& experiment) {
  const std::vector<TelemetryMeans> means = telemetry_of(experiment);
  std::optional<double> least_share;  // of all
  for (size_t d = 0; d < analysis.devices.size(); ++d) {
    std::vector<size_t> own;
    std::optional<double> least_here;
    for (size_t t = 0; t < experiment.tenants.size(); ++t) {
      if (analysis.tenants[t].device != analysis.devices[d].device) continue;
      own.push_back(t);
      const auto share = host_share_percent(experiment.tenants[t].samples);
      if (share) least_here = std::min(least_here.value_or(100), *share);
    }
    if (least_here) least_share = std::min(least_share.value_or(100), *least_here);
    set_telemetry(analysis.devices[d], means[d], least_here);
    for (const size_t t : own)
      if (own.size() == 1)
        set_bound(analysis.tenants[t], means[d], experiment.tenants[t]);
      else
        analysis.tenants[t].bound_reason = "its run alone is not known: run with --baselines";
  }
  set_telemetry(analysis.device, together(means), least_share);
  if (has_several_devices(analysis)) set_bound_of_several(analysis);
}

const PerDeviceAnalysis& device_of(const ExperimentAnalysis& analysis, const TenantAnalysis& tenant) {
  const auto found = std::ranges::find(analysis.devices, tenant.device, &PerDeviceAnalysis::device);
  return found == analysis.devices.end() ? analysis.devices.front() : *found;
}

void set_clock_ratio(TenantAnalysis& tenant, const DeviceAnalysis& device) {
  if (!tenant.baseline || !device.sm_clock_mhz) return;
  const std::optional<double>& alone_mhz = tenant.baseline->sm_clock_mhz;
  if (alone_mhz && *alone_mhz > 0) tenant.clock_ratio = *device.sm_clock_mhz / *alone_mhz;
}

void copy_record(ExperimentAnalysis& analysis, const ExperimentRecord& record) {
  analysis.valid = record.validity.complete && record.validity.valid;
  analysis.reasons = record.validity.reasons;
  analysis.sharing = to_string(record.settings.sharing);
  analysis.corun = record.settings.corun;
  analysis.commit = record.build.commit;
  analysis.version = record.build.version;
  analysis.started_at = record.started_at;
  analysis.host = record.host.hostname;
  analysis.cpu = record.host.cpu;
  analysis.surroundings = surroundings_of(record.host);
  analysis.driver = record.device().driver;
  analysis.cuda = record.device().cuda;
  if (record.window) analysis.window_s = Interval{record.window->start_s, record.window->end_s};
  if (!record.validity.interrupted_by.empty())
    analysis.warnings.push_back("the run was interrupted by " + record.validity.interrupted_by + ".");
}

bool same_work(const std::vector<LoadedTenant>& tenants) {
  return std::ranges::all_of(tenants, [&](const LoadedTenant& t) { return t.work == tenants[0].work; });
}

std::optional<std::filesystem::path> if_there(const std::filesystem::path& file) {
  return is_real_file(file) ? std::optional(file) : std::nullopt;
}

RepeatAnalysis summarize_repeat(std::string name, const ExperimentAnalysis& analysis,
                                const LoadedExperiment& experiment,
                                const std::vector<std::optional<Baseline>>& baselines) {
  RepeatAnalysis repeat;
  repeat.name = std::move(name);
  if (experiment.record) repeat.valid = experiment.record->validity.complete && experiment.record->validity.valid;
  for (size_t t = 0; t < analysis.tenants.size(); ++t) {
    const auto same = std::ranges::find(experiment.tenants, analysis.tenants[t].name, &LoadedTenant::name);
    const bool found = same != experiment.tenants.end();
    const std::vector<double> values = found ? counted(same->samples, analysis.metric) : std::vector<double>{};
    repeat.p50_ms.push_back(values.empty() ? std::nan("") : median(values));
    repeat.mean_ms.push_back(values.empty() ? std::nan("") : mean(values));
    const std::optional<double> rate = found ? same->rate_per_s() : std::nullopt;
    repeat.rate_per_s.push_back(rate.value_or(0));
    auto &progress = repeat.progress.emplace_back(), &slowdown = repeat.slowdown_p50.emplace_back();
    if (!baselines[t]) continue;
    if (const auto alone = baselines[t]->tenant->rate_per_s(); rate && alone.value_or(0) > 0 && !same->is_open_loop())
      progress = *rate / *alone;
    const std::vector<double> alone_ms = counted(baselines[t]->tenant->samples, analysis.metric);
    if (!values.empty() && !alone_ms.empty()) slowdown = repeat.p50_ms.back() / median(alone_ms);
  }
  return repeat;
}

// The experiment's own run and those of repeats/, each against baselines of its own where it has them.
void add_repeats(ExperimentAnalysis& analysis, const LoadedExperiment& experiment, BaselineFinder& finder,
                 const std::vector<std::optional<Baseline>>& baselines) {
  std::vector<std::filesystem::path> directories;
  const auto repeats = experiment.directory / "repeats";
  if (!is_real_directory(repeats)) return;
  for (const auto& directory : real_directories_in(repeats))
    if (is_experiment(directory)) directories.push_back(directory);
  if (directories.empty()) return;
  std::sort(directories.begin(), directories.end(),
            [](const auto& a, const auto& b) { return natural_less(a.string(), b.string()); });
  analysis.repeats.push_back(summarize_repeat("first", analysis, experiment, baselines));
  for (const auto& directory : directories) {
    const LoadedExperiment repeat = load_experiment(directory);
    const bool has_own = is_real_directory(directory / "baselines");
    auto own = has_own ? finder.find(repeat, analysis.warnings) : baselines;
    const bool use_own = has_own && own.size() == analysis.tenants.size();
    analysis.repeats.push_back(
        summarize_repeat(directory.filename().string(), analysis, repeat, use_own ? own : baselines));
    analysis.repeats.back().own_baselines = use_own;
  }
}

}  // namespace

void forget_samples(ExperimentAnalysis& analysis) {
  for (TenantAnalysis& tenant : analysis.tenants) {
    tenant.samples = {};
    tenant.metric_ms = tenant.metric_sorted_ms = {};
    if (tenant.baseline) tenant.baseline->metric_ms = tenant.baseline->metric_sorted_ms = {};
  }
}

ExperimentAnalysis analyze_experiment(const AnalysisRequest& request) {
  LoadedExperiment experiment = load_experiment(request.directory);
  ExperimentAnalysis analysis;
  analysis.name = experiment.name;
  analysis.directory = request.directory;
  analysis.study_form = !experiment.record;
  analysis.metric = request.metric;
  if (experiment.record) copy_record(analysis, *experiment.record);
  analysis.config = if_there(request.directory / "config.yaml");
  analysis.telemetry = if_there(request.directory / "telemetry.jsonl");
  for (const LoadedTenant& tenant : experiment.tenants)
    analysis.tenants.push_back(analyze_tenant(tenant, experiment, request.metric));
  require_metric(analysis);
  analyze_devices(analysis, experiment);
  set_device_telemetry(analysis, experiment);

  BaselineFinder finder(request);
  const auto baselines = request.find_baselines ? finder.find(experiment, analysis.warnings)
                                                : std::vector<std::optional<Baseline>>(experiment.tenants.size());
  for (size_t t = 0; t < baselines.size(); ++t)
    if (baselines[t]) set_progress(analysis.tenants[t], experiment.tenants[t], *baselines[t], request.metric);
  for (TenantAnalysis& tenant : analysis.tenants) set_clock_ratio(tenant, device_of(analysis, tenant));
  add_repeats(analysis, experiment, finder, baselines);
  judge(analysis, experiment, baselines);
  if (analysis.stp && analysis.device.tokens_per_s)
    analysis.device.tokens_per_s_alone_in_turn = *analysis.device.tokens_per_s / *analysis.stp;
  for (PerDeviceAnalysis& device : analysis.devices)
    if (device.stp && device.tokens_per_s) device.tokens_per_s_alone_in_turn = *device.tokens_per_s / *device.stp;

  const std::optional<Fairness> of_progress = fairness_of_progress(analysis.tenants);
  if (same_work(experiment.tenants)) {
    analysis.fairness = fairness_of_means(analysis.tenants, request.metric);
    analysis.progress_fairness = of_progress;
  } else {
    analysis.fairness = of_progress;
  }
  analysis.rate_spreads = rate_spreads_of(experiment.tenants);
  analysis.significance = significance_of(analysis.tenants);
  add_warnings(analysis, experiment);
  for (size_t t = 0; t < analysis.tenants.size(); ++t)
    analysis.tenants[t].samples = std::move(experiment.tenants[t].samples);
  return analysis;
}

}  // namespace cotenant
