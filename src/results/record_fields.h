#pragma once

#include "results/json_fields.h"
#include "results/record.h"
#include "tenant/fields.h"

// The fields of record.h's structs, as json_fields.h wants them.
namespace cotenant {

template <class Visitor>
void fields(Visitor& visit, SettingsRecord& r) {
  visit("experiment_name", r.experiment_name);
  visit("config_file", r.config_file);
  visit("overrides", r.overrides);
  visit("device", r.device);
  visit("sharing", r.sharing);
  visit("yield", r.yield);
  visit("corun", r.corun);
  visit("wait", r.wait);
  visit("min_duration_s", r.min_duration_s);
  visit("warmup_s", r.warmup_s);
  visit("max_duration_s", r.max_duration_s);
  visit("sleep_duration_s", r.sleep_duration_s);
  visit("seed", r.seed);
  visit("telemetry_interval_ms", r.telemetry_interval_ms);
  visit("single", r.single);
  visit("profiled", r.profiled);
}

template <class Visitor>
void fields(Visitor& visit, HostRecord& r) {
  visit("hostname", r.hostname);
  visit("os", r.os);
  visit("kernel", r.kernel);
  visit("cpu", r.cpu);
  visit("logical_cpus", r.logical_cpus);
  visit("physical_cores", r.physical_cores);
  visit("cpu_limit", r.cpu_limit);
  visit("memory_limit_bytes", r.memory_limit_bytes);
  visit("open_files_limit", r.open_files_limit);
  visit("is_virtual", r.is_virtual);
  visit("cpu_features", r.cpu_features);
  visit("memory_total_bytes", r.memory_total_bytes);
  visit("memory_available_bytes", r.memory_available_bytes);
  visit("governor", r.governor);
  visit("transparent_hugepages", r.transparent_hugepages);
  visit("load1", r.load1);
  visit("environment", r.environment);
}

template <class Visitor>
void fields(Visitor& visit, DeviceSummary& r) {
  visit("tokens_per_s", r.tokens_per_s);
  visit("max_completion_s", r.max_completion_s);
}

template <class Visitor>
void fields(Visitor& visit, DeviceRecord& r) {
  visit("device", r.device);
  visit("name", r.name);
  visit("uuid", r.uuid);
  visit("driver", r.driver);
  visit("cuda", r.cuda);
  visit("sm_count", r.sm_count);
  visit("memory_total_bytes", r.memory_total_bytes);
  visit("sm_clock_mhz", r.sm_clock_mhz);
  visit("memory_clock_mhz", r.memory_clock_mhz);
  visit("max_sm_clock_mhz", r.max_sm_clock_mhz);
  visit("power_limit_w", r.power_limit_w);
  visit("summary", r.summary);
}

template <class Visitor>
void fields(Visitor& visit, BuildRecord& r) {
  visit("version", r.version);
  visit("commit", r.commit);
  visit("compiler", r.compiler);
  visit("build_type", r.build_type);
}

template <class Visitor>
void fields(Visitor& visit, PhaseRecord& r) {
  visit("name", r.name);
  visit("start_s", r.start_s);
  visit("end_s", r.end_s);
}

template <class Visitor>
void fields(Visitor& visit, WindowRecord& r) {
  visit("start_s", r.start_s);
  visit("end_s", r.end_s);
}

template <class Visitor>
void fields(Visitor& visit, WarningRecord& r) {
  visit("what", r.what);
  visit("remedy", r.remedy);
}

template <class Visitor>
void fields(Visitor& visit, ValidityRecord& r) {
  visit("complete", r.complete);
  visit("valid", r.valid);
  visit("reasons", r.reasons);
  visit("warnings", r.warnings);
  visit("interrupted_by", r.interrupted_by);
}

template <class Visitor>
void fields(Visitor& visit, LatencySummary& r) {
  visit("count", r.count);
  visit("mean_ms", r.mean_ms);
  visit("min_ms", r.min_ms);
  visit("p50_ms", r.p50_ms);
  visit("p90_ms", r.p90_ms);
  visit("p95_ms", r.p95_ms);
  visit("p99_ms", r.p99_ms);
  visit("max_ms", r.max_ms);
}

template <class Visitor>
void fields(Visitor& visit, TenantSummary& r) {
  visit("latency", r.latency);
  visit("ttft", r.ttft);
  visit("tpot", r.tpot);
  visit("requests_per_s", r.requests_per_s);
  visit("tokens_per_s", r.tokens_per_s);
  visit("tokens_in_per_s", r.tokens_in_per_s);
  visit("tokens_out_per_s", r.tokens_out_per_s);
  visit("completed", r.completed);
  visit("rejected", r.rejected);
  visit("failed", r.failed);
  visit("completion_s", r.completion_s);
}

template <class Visitor>
void fields(Visitor& visit, UsageRecord& r) {
  visit("cpu_user_s", r.cpu_user_s);
  visit("cpu_system_s", r.cpu_system_s);
  visit("voluntary_switches", r.voluntary_switches);
  visit("involuntary_switches", r.involuntary_switches);
  visit("major_faults", r.major_faults);
  visit("resident_peak_bytes", r.resident_peak_bytes);
}

template <class Visitor>
void fields(Visitor& visit, AttainmentRecord& r) {
  visit("requests", r.requests);
  visit("met", r.met);
  visit("goodput_requests_per_s", r.goodput_requests_per_s);
  visit("goodput_tokens_per_s", r.goodput_tokens_per_s);
}

template <class Visitor>
void fields(Visitor& visit, SteadyRecord& r) {
  visit("rates_per_s", r.rates_per_s);
  visit("latencies_ms", r.latencies_ms);
  visit("rate_spread", r.rate_spread);
  visit("latency_spread", r.latency_spread);
  visit("rate_changed", r.rate_changed);
  visit("latency_changed", r.latency_changed);
}

template <class Visitor>
void fields(Visitor& visit, YieldRecord& r) {
  visit("gates", r.gates);
  visit("waits", r.waits);
  visit("waited_ms", r.waited_ms);
  visit("longest_wait_ms", r.longest_wait_ms);
  visit("bound_hits", r.bound_hits);
  visit("device_ms", r.device_ms);
}

template <class Visitor>
void fields(Visitor& visit, ScheduleRecord& r) {
  visit("offered", r.offered);
  visit("rejected", r.rejected);
  visit("waiting", r.waiting);
  visit("lag_p50_us", r.lag_p50_us);
  visit("lag_p99_us", r.lag_p99_us);
  visit("lag_max_us", r.lag_max_us);
}

template <class Visitor>
void fields(Visitor& visit, ServerRecord::Fault& r) {
  visit("what", r.what);
  visit("count", r.count);
  visit("example", r.example);
}

template <class Visitor>
void fields(Visitor& visit, ServerRecord& r) {
  visit("prompts", r.prompts);
  visit("exact_prompts", r.exact_prompts);
  visit("other_prompts", r.other_prompts);
  visit("counted_by_chunk_usage", r.counted_by_chunk_usage);
  visit("counted_by_usage", r.counted_by_usage);
  visit("counted_by_chunks", r.counted_by_chunks);
  visit("tokens_asked", r.tokens_asked);
  visit("chunks", r.chunks);
  visit("tokens", r.tokens);
  visit("connections", r.connections);
  visit("faults", r.faults);
}

template <class Visitor>
void fields(Visitor& visit, ExitRecord& r) {
  visit("died", r.died);
  visit("code", r.code);
  visit("signal", r.signal);
  visit("phase", r.phase);
  visit("what", r.what);
  visit("last_error", r.last_error);
  visit("ended_early", r.ended_early);
  visit("events_dropped", r.events_dropped);
}

template <class Visitor>
void fields(Visitor& visit, StressRecord& r) {
  visit("intensity", r.intensity);
  visit("period_ms", r.period_ms);
  visit("sms", r.sms);
  visit("footprint_sms", r.footprint_sms);
  visit("unit", r.unit);
  visit("work_per_request", r.work_per_request);
  visit("calibrated_ms", r.calibrated_ms);
  visit("rate_alone", r.rate_alone);
  visit("rate", r.rate);
  visit("rate_share", r.rate_share);
  visit("slowdown", r.slowdown);
}

template <class Visitor>
void fields(Visitor& visit, TenantRecord& r) {
  fields(visit, static_cast<TenantDescription&>(r));
  visit("directory", r.directory);
  visit("weights_origin", r.weights_origin);
  visit("stress", r.stress);
  visit("sm_granted", r.sm_granted);
  visit("mps_client", r.mps_client);
  visit("kind", r.kind);
  visit("kind_with_share", r.kind_with_share);
  visit("weights_bytes", r.weights_bytes);
  visit("activation_bytes", r.activation_bytes);
  visit("resident_bytes", r.resident_bytes);
  visit("parameters", r.parameters);
  visit("flops_per_request", r.flops_per_request);
  visit("start_skew_us", r.start_skew_us);
  visit("weights_hash", r.weights_hash);
  visit("input_hash", r.input_hash);
  visit("tokens_hash", r.tokens_hash);
  visit("pid", r.pid);
  visit("summary", r.summary);
  visit("whole_run", r.whole_run);
  visit("schedule", r.schedule);
  visit("steady", r.steady);
  visit("served", r.served);
  visit("yielded", r.yielded);
  visit("attainment", r.attainment);
  visit("usage", r.usage);
  visit("exit", r.exit);
}

template <class Visitor>
void fields(Visitor& visit, ForeignLoadRecord& r) {
  visit("busy_cores", r.busy_cores);
  visit("top_process", r.top_process);
  visit("gpu_processes", r.gpu_processes);
  visit("gpu_bystanders", r.gpu_bystanders);
  visit("gpu_processes_gap", r.gpu_processes_gap);
}

template <class Visitor>
void fields(Visitor& visit, LimitsRecord& r) {
  visit("cpu_periods", r.cpu_periods);
  visit("throttled_periods", r.throttled_periods);
  visit("throttled_s", r.throttled_s);
  visit("memory_hits", r.memory_hits);
  visit("oom_kills", r.oom_kills);
}

template <class Visitor>
void fields(Visitor& visit, TelemetryRecord& r) {
  visit("samples", r.samples);
  visit("sampler_cpu_percent", r.sampler_cpu_percent);
  visit("longest_sample_ms", r.longest_sample_ms);
  visit("device_gap", r.device_gap);
  visit("counters_gap", r.counters_gap);
}

template <class Visitor>
void fields(Visitor& visit, DaemonRecord& r) {
  visit("ready_s", r.ready_s);
  visit("gone_s", r.gone_s);
  visit("death", r.death);
}

template <class Visitor>
void fields(Visitor& visit, ExperimentRecord& r) {
  visit("format", r.format);
  visit("settings", r.settings);
  visit("build", r.build);
  visit("host", r.host);
  visit("device", r.device());  // the only one, for readers of up to 0.2
  visit("devices", r.devices);
  visit("started_at", r.started_at);
  visit("command", r.command);
  visit("t0_wall_s", r.t0_wall_s);
  visit("phases", r.phases);
  visit("window", r.window);
  visit("validity", r.validity);
  visit("tenants", r.tenants);
  visit("device_summary", r.device_summary);
  visit("foreign", r.foreign);
  visit("limits", r.limits);
  visit("daemon", r.daemon);
  visit("telemetry", r.telemetry);
}

}  // namespace cotenant
