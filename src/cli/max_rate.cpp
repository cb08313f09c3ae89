#include "cli/max_rate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"
#include "base/text.h"
#include "driver/validity.h"
#include "report/table.h"
#include "report/text.h"
#include "results/attainment.h"

namespace cotenant {
namespace {

constexpr const char* flag = "--find-max-rate";

// What says how many requests come: "rate", or of a trace "speedup".
const char* rate_key(const WorkloadDescription& workload) {
  return workload.kind == WorkloadKind::trace ? "speedup" : "rate";
}

double rate_of(const WorkloadDescription& workload) {
  return workload.kind == WorkloadKind::trace ? workload.speedup : workload.rate;
}

void check_rate(const TenantConfig& tenant) {
  const WorkloadKind kind = tenant.workload.kind;
  if (kind == WorkloadKind::steps || kind == WorkloadKind::ramp)
    throw usage_error(
        flag, fmt::format("the rate of {} changes by itself: workload.kind is {}", tenant.name, to_string(kind)),
        "Use constant, poisson, gamma or trace.");
  if (!tenant.workload.is_open())
    throw usage_error(
        flag, fmt::format("{} has no rate: its requests follow each other (workload.kind: closed)", tenant.name),
        "Use constant, poisson, gamma or trace.");
}

double asked_percent(const TenantRecord& tenant) {
  return tenant.slo.percentile.value_or(least_percentile);
}

bool meets_objectives(const TenantRecord& tenant) {
  return !tenant.slo.any() || (tenant.attainment && 100 * tenant.attainment->share() >= asked_percent(tenant));
}

std::string rates_text(const ExperimentRecord& record, std::span<const size_t> tenants) {
  std::vector<std::string> rates;
  for (const size_t i : tenants) rates.push_back(fmt::format("{:.4g}", rate_of(record.tenants.at(i).workload)));
  return fmt::format("{}", fmt::join(rates, ", "));
}

std::string unit_text(const ExperimentRecord& record, std::span<const size_t> tenants) {
  std::vector<std::string> names;
  for (const size_t i : tenants) names.push_back(record.tenants.at(i).name);
  const bool traces = record.tenants.at(tenants.front()).workload.kind == WorkloadKind::trace;
  return fmt::format("{} of {}", traces ? "speedup" : "requests/s", fmt::join(names, ", "));
}

std::string found_text(const std::vector<RatePoint>& points, const RateSearch& search,
                       std::span<const size_t> tenants) {
  const auto at = [&](const std::optional<double>& multiple) {
    return std::ranges::find_if(points, [&](const RatePoint& point) { return point.multiple == multiple; });
  };
  const auto highest = at(search.highest()), above = at(search.lowest_above());
  const std::string unit = unit_text(points.front().record, tenants);
  if (highest == points.end())
    return fmt::format("no {} was low enough: {} at {}", unit, above->why, rates_text(above->record, tenants));
  std::string text =
      fmt::format("highest {} that meets the objectives: {}", unit, rates_text(highest->record, tenants));
  if (above == points.end()) return text + "; it was never too much";
  text += fmt::format("; not {}: {}", rates_text(above->record, tenants), above->why);
  return above->by_generator ? text + ". The limit is cotenant's, not the tenant's: leave it a core of its own" : text;
}

}  // namespace

std::vector<size_t> tenants_to_scale(const ExperimentConfig& config, const std::string& name) {
  std::vector<size_t> tenants;
  for (size_t i = 0; i < config.tenants.size(); ++i) {
    const TenantConfig& tenant = config.tenants[i];
    if (name == "all" ? !tenant.workload.is_open() : tenant.name != name) continue;
    check_rate(tenant);
    tenants.push_back(i);
  }
  if (tenants.empty())
    throw usage_error(
        flag, name == "all" ? "no tenant's requests come by themselves" : fmt::format("there is no tenant {}", name),
        "Give a tenant a workload with a rate, for example workload: {kind: poisson, rate: 10}.");
  if (std::ranges::none_of(config.tenants, [](const TenantConfig& tenant) { return tenant.slo.any(); }))
    throw usage_error(flag, "no tenant has objectives", "Give one of them slo, for example slo: {latency_ms: 100}.");
  return tenants;
}

Variation at_multiple(const ExperimentConfig& config, std::span<const size_t> tenants, double multiple) {
  Variation variation{.set = {}, .suffix = fmt::format("_rate_x{:.4g}", multiple)};
  for (const size_t i : tenants) {
    const WorkloadDescription& workload = config.tenants.at(i).workload;
    const std::string path = config.single ? "single_model" : fmt::format("tenants.{}", i);
    variation.set.push_back(
        fmt::format("{}.workload.{}={:.6g}", path, rate_key(workload), rate_of(workload) * multiple));
  }
  return variation;
}

RatePoint judge_point(double multiple, ExperimentRecord record) {
  RatePoint point{.multiple = multiple, .record = std::move(record), .why = {}};
  for (const TenantRecord& tenant : point.record.tenants) {
    if (sent_late(tenant)) {
      point.by_generator = true;
      point.why = fmt::format("requests of {} were sent late", tenant.name);
    } else if (queue_grew(tenant)) {
      point.why = fmt::format("the queue of {} grew", tenant.name);
    } else if (!meets_objectives(tenant)) {
      point.why =
          fmt::format("{:.4g}% of the requests of {} met its objectives, not {:g}%",
                      100 * tenant.attainment.value_or(AttainmentRecord{}).share(), tenant.name, asked_percent(tenant));
    } else {
      continue;
    }
    return point;
  }
  if (!point.record.validity.valid)
    point.why = point.record.validity.reasons.empty() ? "the run is not valid" : point.record.validity.reasons.front();
  point.carried = point.why.empty();
  return point;
}

std::string max_rate_text(std::vector<RatePoint> points, const RateSearch& search, std::span<const size_t> tenants,
                          bool colour) {
  std::ranges::sort(points, {}, &RatePoint::multiple);
  Table table({{unit_text(points.front().record, tenants)},
               {"tenant", Align::left},
               {"served/s"},
               {"p50 ms"},
               {"p99 ms"},
               {"TTFT p99"},
               {"goodput/s"},
               {"met"},
               {"", Align::left}});
  const auto ms = [](const std::optional<double>& value) { return value ? format_ms(*value) : std::string("-"); };
  const auto per_s = [](const std::optional<double>& value) {
    return value ? format_fixed(*value, 2) : std::string("-");
  };
  for (const RatePoint& point : points)
    for (const TenantRecord& tenant : point.record.tenants) {
      const TenantSummary& summary = tenant.summary;
      const auto& attainment = tenant.attainment;
      table.add_row({rates_text(point.record, tenants), tenant.name, per_s(summary.requests_per_s),
                     ms(summary.latency.p50_ms), ms(summary.latency.p99_ms), ms(summary.ttft.p99_ms),
                     attainment ? per_s(attainment->goodput_requests_per_s) : "-",
                     attainment ? format_fixed(100 * attainment->share(), 2) + "%" : "-",
                     point.carried ? "carried" : point.why});
    }
  return table.text(colour) + "\n" + printable(found_text(points, search, tenants)) + "\n";
}

}  // namespace cotenant
