#include "report/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/load.h"
#include "base/open_file.h"
#include "base/version.h"
#include "report/trace_events.h"
#include "report/trace_kernels.h"
#include "results/reader.h"
#include "results/telemetry.h"

namespace cotenant {
namespace {

std::vector<TelemetrySample> telemetry_of(const std::filesystem::path& directory) {
  const auto file = directory / "telemetry.jsonl";
  return is_real_file(file) ? read_telemetry(file) : std::vector<TelemetrySample>{};
}

// The earliest time of phases and telemetry; requests start at 0 or later.
double origin_of(const LoadedExperiment& experiment, const std::vector<TelemetrySample>& telemetry) {
  double origin = 0;
  if (experiment.record) {
    for (const PhaseRecord& phase : experiment.record->phases) origin = std::min(origin, phase.start_s);
  }
  if (!telemetry.empty()) origin = std::min(origin, telemetry.front().t_s);
  return origin;
}

void write_phases(EventWriter& events, const ExperimentRecord& record) {
  events.metadata(run_pid, 1, "thread_name", "phases");
  for (const PhaseRecord& phase : record.phases) {
    events.complete(run_pid, 1, phase.name, phase.start_s, phase.end_s);
  }
  if (!record.window) return;
  events.metadata(run_pid, 2, "thread_name", "window");
  events.complete(run_pid, 2, "all tenants active", record.window->start_s, record.window->end_s);
}

struct Counter {
  const char* name;
  const char* series;
  std::optional<double> TelemetrySample::*value;
};

// One counter per unit, so that the viewer draws what may be compared on one scale.
constexpr Counter counters[] = {
    {"SM clock (MHz)", "MHz", &TelemetrySample::sm_clock_mhz},
    {"power (W)", "W", &TelemetrySample::power_w},
    {"temperature (C)", "C", &TelemetrySample::temperature_c},
    {"device memory (bytes)", "bytes", &TelemetrySample::memory_used_bytes},
    {"host memory (bytes)", "bytes", &TelemetrySample::host_memory_used_bytes},
    {"device busy (%)", "%", &TelemetrySample::gpu_percent},
    {"SM (%)", "%", &TelemetrySample::sm_percent},
    {"occupancy (%)", "%", &TelemetrySample::occupancy_percent},
    {"tensor cores (%)", "%", &TelemetrySample::tensor_percent},
    {"DRAM (%)", "%", &TelemetrySample::dram_percent},
    {"PCIe to device (MiB/s)", "MiB/s", &TelemetrySample::pcie_rx_mib_per_s},
    {"PCIe from device (MiB/s)", "MiB/s", &TelemetrySample::pcie_tx_mib_per_s},
    {"busy cores", "cores", &TelemetrySample::busy_cores},
};

void write_telemetry(EventWriter& events, const LoadedExperiment& experiment,
                     const std::vector<TelemetrySample>& telemetry) {
  for (const TelemetrySample& sample : telemetry) {
    for (const Counter& counter : counters) {
      if (sample.*counter.value) {
        const std::string name = sample.device ? fmt::format("{}, {}", counter.name, *sample.device) : counter.name;
        events.counter(run_pid, name, counter.series, sample.t_s, *(sample.*counter.value));
      }
    }
    for (const TenantTelemetry& used : sample.tenants) {
      for (size_t i = 0; i < experiment.tenants.size(); ++i) {
        if (experiment.tenants[i].name != used.name || !used.busy_cores) continue;
        events.counter(pid_of(i), "busy cores", "cores", sample.t_s, *used.busy_cores);
      }
    }
  }
}

std::string request_args(const Iteration& iteration) {
  std::string args = fmt::format(R"({{"iter":{},"latency_ms":{:.6g})", iteration.iter, iteration.latency_ms);
  const auto add = [&](const char* name, const std::optional<double>& value) {
    if (value && std::isfinite(*value)) args += fmt::format(R"(,"{}":{:.6g})", name, *value);
  };
  add("gpu_ms", iteration.gpu_ms);
  add("queue_ms", iteration.queue_ms);
  add("ttft_ms", iteration.ttft_ms);
  add("tpot_ms", iteration.tpot_ms);
  if (iteration.tokens_in) args += fmt::format(R"(,"tokens_in":{})", *iteration.tokens_in);
  if (iteration.tokens_out) args += fmt::format(R"(,"tokens_out":{})", *iteration.tokens_out);
  if (iteration.status == IterationStatus::failed) args += R"(,"status":"failed")";
  return args + "}";
}

// A request from when it was due until its end, with its wait and its tokens inside.
void write_request(EventWriter& events, int pid, int64_t id, const Iteration& iteration, double start_s, double end_s) {
  const double due_s = std::min(iteration.scheduled_s.value_or(start_s), start_s);
  events.open(pid, id, "request", due_s, request_args(iteration));
  if (due_s < start_s) events.slice(pid, id, "queued", due_s, start_s);
  double before_s = start_s;
  for (size_t k = 0; k < iteration.token_s.size(); ++k) {
    const double at_s = std::clamp(iteration.token_s[k], before_s, std::max(before_s, end_s));
    events.slice(pid, id, k == 0 ? "first token" : "token", before_s, at_s, fmt::format(R"({{"index":{}}})", k));
    before_s = at_s;
  }
  events.close(pid, id, "request", std::max(before_s, end_s));
}

void write_names(EventWriter& events, const LoadedExperiment& experiment) {
  events.metadata(run_pid, 0, "process_name", "run: " + experiment.name);
  events.sort_index(run_pid);
  for (size_t i = 0; i < experiment.tenants.size(); ++i) {
    events.metadata(pid_of(i), 0, "process_name", experiment.tenants[i].name);
    events.metadata(pid_of(i), pid_of(i), "thread_name", "requests");
    events.sort_index(pid_of(i));
  }
}

void write_requests(EventWriter& events, const LoadedExperiment& experiment, size_t index) {
  const LoadedTenant& tenant = experiment.tenants[index];
  const int pid = pid_of(index);
  int64_t id = 0;
  double end_before_s = 0;  // for files without times
  read_events(experiment.directory / tenant.directory / "events.jsonl", [&](const Iteration& iteration) {
    const double start_s = iteration.start_s.value_or(end_before_s);
    const double end_s = iteration.end_s.value_or(start_s + iteration.latency_ms * 1e-3);
    end_before_s = end_s;
    if (iteration.status == IterationStatus::rejected) {
      events.instant(pid, "rejected", iteration.scheduled_s.value_or(start_s));
    } else {
      write_request(events, pid, id++, iteration, start_s, end_s);
    }
  });
}

bool lacks_times(const LoadedExperiment& experiment) {
  return !experiment.record;
}

}  // namespace

void write_trace(const std::filesystem::path& directory, const std::function<void(std::string_view)>& write) {
  const LoadedExperiment experiment = open_experiment(directory);
  const auto telemetry = telemetry_of(directory);
  write(
      fmt::format(R"({{"displayTimeUnit":"ms","otherData":{{"experiment":{},"made_by":{},"times":{}}},"traceEvents":[)",
                  json_text(experiment.name), json_text(fmt::format("cotenant {}", version())),
                  json_text(lacks_times(experiment) ? "the files have latencies only: requests are set end to end"
                                                    : "measured on the host's clock")));
  EventWriter events(write, origin_of(experiment, telemetry));
  write_names(events, experiment);
  if (experiment.record) write_phases(events, *experiment.record);
  write_telemetry(events, experiment, telemetry);
  for (size_t i = 0; i < experiment.tenants.size(); ++i) write_requests(events, experiment, i);
  write_kernel_tracks(events, experiment);
  events.flush();
  write("\n]}\n");
}

}  // namespace cotenant
