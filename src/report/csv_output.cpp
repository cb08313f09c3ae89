#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/figures.h"
#include "report/text.h"

namespace cotenant {
namespace {

std::string exact(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
}

std::string of(const std::optional<Summary>& summary, double Summary::*figure) {
  return summary && summary->count > 0 ? exact((*summary).*figure) : "";
}

template <class Enum>
std::string name(const std::optional<Enum>& value) {
  return value ? std::string(to_string(*value)) : "";
}

}  // namespace

std::vector<std::string> csv_columns() {
  std::vector<std::string> columns;
  for (const char* title :
       {"experiment", "tenant",      "model",       "task",       "batch_size", "seq_len", "sharing",
        "valid",      "clock",       "count",       "mean_ms",    "std_ms",     "min_ms",  "p25_ms",
        "p50_ms",     "p75_ms",      "p90_ms",      "p95_ms",     "p99_ms",     "max_ms",  "n_eff",
        "gpu_p50_ms", "ttft_p50_ms", "tpot_p50_ms", "itl_p50_ms", "baseline"})
    columns.emplace_back(title);
  for (const TenantFigure& figure : tenant_figures()) columns.emplace_back(figure.id);
  for (const char* title :
       {"verdict", "study_verdict", "bound", "device_tokens_per_s", "stp", "antt", "sm_clock_mhz", "device"})
    columns.emplace_back(title);
  return columns;
}

std::vector<std::vector<std::string>> csv_rows(const ExperimentAnalysis& e) {
  std::vector<std::vector<std::string>> rows;
  for (const TenantAnalysis& t : e.tenants) {
    const std::optional<Summary> latency = t.latency_ms;
    std::vector<std::string> row{e.name,
                                 t.name,
                                 t.model,
                                 std::string(to_string(t.task)),
                                 std::to_string(t.batch_size),
                                 std::to_string(t.seq_len),
                                 e.sharing,
                                 e.valid ? (*e.valid ? "true" : "false") : "",
                                 std::string(to_string(t.clock)),
                                 std::to_string(t.latency_ms.count),
                                 of(latency, &Summary::mean),
                                 of(latency, &Summary::std),
                                 of(latency, &Summary::min),
                                 of(latency, &Summary::p25),
                                 of(latency, &Summary::p50),
                                 of(latency, &Summary::p75),
                                 of(latency, &Summary::p90),
                                 of(latency, &Summary::p95),
                                 of(latency, &Summary::p99),
                                 of(latency, &Summary::max),
                                 of(latency, &Summary::n_eff),
                                 of(t.gpu_ms, &Summary::p50),
                                 of(t.ttft_ms, &Summary::p50),
                                 of(t.tpot_ms, &Summary::p50),
                                 of(t.itl_ms, &Summary::p50),
                                 t.baseline ? t.baseline->experiment : ""};
    for (const TenantFigure& figure : tenant_figures()) row.push_back(exact(figure.value(t)));
    for (std::string cell : {name(t.verdict), name(t.study_verdict), t.bound, exact(e.device.tokens_per_s),
                             exact(e.stp), exact(e.antt), exact(e.device.sm_clock_mhz), t.device})
      row.push_back(std::move(cell));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string csv_output(std::span<const ExperimentAnalysis> experiments) {
  std::vector<Table::Column> columns;
  for (const std::string& title : csv_columns()) columns.push_back({title});
  const bool several = std::ranges::any_of(experiments, has_several_devices);
  if (!several) columns.pop_back();  // the device
  Table table(columns);
  for (const ExperimentAnalysis& experiment : experiments)
    for (std::vector<std::string>& row : csv_rows(experiment)) {
      if (!several) row.pop_back();
      table.add_row(std::move(row));
    }
  return table.csv();
}

}  // namespace cotenant
