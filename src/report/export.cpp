#include "report/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "analysis/load.h"
#include "base/open_file.h"
#include "base/printable.h"
#include "results/window.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::string quoted(std::string_view text) {
  return printable_json(nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string_view name_of(IterationStatus status) {
  return status == IterationStatus::ok ? "ok" : status == IterationStatus::rejected ? "rejected" : "failed";
}

// Writes one field after another of one row, in either format.
class Row {
 public:
  Row(fmt::memory_buffer& out, ExportFormat format) : out_(out), json_(format == ExportFormat::json) {}

  void text(std::string_view key, std::string_view value) { raw(key, json_ ? quoted(value) : printable_csv(value)); }
  void truth(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }
  template <class Number>
  void number(std::string_view key, const std::optional<Number>& value) {
    const bool known = value && std::isfinite(static_cast<double>(*value));
    raw(key, known ? fmt::format("{}", *value) : json_ ? "null" : "");
  }

 private:
  void raw(std::string_view key, std::string_view value) {
    if (!std::exchange(first_, false)) out_.push_back(',');
    if (json_) fmt::format_to(std::back_inserter(out_), "\"{}\":", key);
    out_.append(value);
  }

  fmt::memory_buffer& out_;
  bool json_, first_ = true;
};

constexpr std::string_view csv_titles =
    "run,experiment,tenant,model,batch_size,seq_len,iter,status,counts,latency_ms,gpu_ms,scheduled_s,start_s,end_s,"
    "queue_ms,ttft_ms,tpot_ms,tokens_in,tokens_out\n";

struct Place {
  std::string run;
  const LoadedExperiment& experiment;
  const LoadedTenant& tenant;
};

void append_row(Row row, const Place& place, const Iteration& iteration, const std::optional<WindowRecord>& window) {
  row.text("run", place.run);
  row.text("experiment", place.experiment.name);
  row.text("tenant", place.tenant.name);
  row.text("model", place.tenant.work.model);
  row.number("batch_size", std::optional(place.tenant.work.batch_size));
  row.number("seq_len", std::optional(place.tenant.work.seq_len));
  row.number("iter", std::optional(iteration.iter));
  row.text("status", name_of(iteration.status));
  row.truth("counts", counts(iteration, window));
  row.number("latency_ms", std::optional(iteration.latency_ms));
  row.number("gpu_ms", iteration.gpu_ms);
  row.number("scheduled_s", iteration.scheduled_s);
  row.number("start_s", iteration.start_s);
  row.number("end_s", iteration.end_s);
  row.number("queue_ms", iteration.queue_ms);
  row.number("ttft_ms", iteration.ttft_ms);
  row.number("tpot_ms", iteration.tpot_ms);
  row.number("tokens_in", iteration.tokens_in);
  row.number("tokens_out", iteration.tokens_out);
}

// "": the experiment's own run.
std::vector<std::string> runs_of(const fs::path& directory, bool everything) {
  std::vector<std::string> runs{""};
  if (!everything) return runs;
  for (const char* folder : {"baselines", "repeats"}) {
    if (!is_real_directory(directory / folder)) continue;
    for (const fs::path& run : real_directories_in(directory / folder))
      if (is_experiment(run)) runs.push_back(fmt::format("{}/{}", folder, run.filename().string()));
  }
  std::sort(runs.begin() + 1, runs.end(), natural_less);
  return runs;
}

}  // namespace

void export_iterations(const ExportRequest& request, const std::function<void(std::string_view)>& write) {
  const bool json = request.format == ExportFormat::json;
  const std::vector<std::string> runs = runs_of(request.directory, request.everything);
  bool titled = false, first = true;
  fmt::memory_buffer line;
  for (const std::string& run : runs) {
    const fs::path directory = run.empty() ? request.directory : request.directory / run;
    const LoadedExperiment experiment = open_experiment(directory);
    if (!std::exchange(titled, true)) write(json ? "[" : csv_titles);  // nothing is written of what cannot be opened
    const std::optional<WindowRecord> window = counting_window(experiment);
    for (const LoadedTenant& tenant : experiment.tenants) {
      read_events(directory / tenant.directory / "events.jsonl", [&](const Iteration& iteration) {
        line.clear();
        if (json) line.append(std::string_view(std::exchange(first, false) ? "\n{" : ",\n{"));
        append_row(Row(line, request.format), {run, experiment, tenant}, iteration, window);
        line.append(std::string_view(json ? "}" : "\n"));
        write({line.data(), line.size()});
      });
    }
  }
  if (json) write("\n]\n");
}

}  // namespace cotenant
