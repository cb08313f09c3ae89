#include "report/compare_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "report/answer.h"
#include "report/charts.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

std::optional<double> mean_median_ms(const ExperimentAnalysis& experiment) {
  std::vector<double> medians;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (!tenant.metric_ms.empty()) medians.push_back(median(tenant.metric_ms));
  }
  return medians.empty() ? std::nullopt : std::optional(mean(medians));
}

// The work that all tenants do; empty when they differ.
std::string common_work(const ExperimentAnalysis& experiment) {
  std::string common;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    const std::string work = work_of(tenant);
    if (!common.empty() && work != common) return "";
    common = work;
  }
  return common;
}

}  // namespace

std::optional<double> jain_of(const ExperimentAnalysis& experiment) {
  if (experiment.progress_fairness) return experiment.progress_fairness->spread.jain;
  return experiment.fairness ? std::optional(experiment.fairness->spread.jain) : std::nullopt;
}

std::vector<ExperimentFigures> figures_of(std::span<const ExperimentAnalysis> experiments) {
  std::vector<ExperimentFigures> all;
  for (const ExperimentAnalysis& experiment : experiments) {
    ExperimentFigures& figures = all.emplace_back();
    figures.name = experiment.name;
    figures.sharing = experiment.sharing;
    figures.tenants = experiment.tenants.size();
    figures.valid = experiment.valid;
    figures.stp = experiment.stp;
    if (const auto worst = worst_slowdown(experiment)) {
      figures.worst_slowdown = worst->slowdown;
      figures.worst_clock_ratio = experiment.tenants[worst->tenant].clock_ratio;
    }
    figures.tokens_per_s = experiment.device.tokens_per_s;
    figures.tokens_per_s_in_turn = experiment.device.tokens_per_s_alone_in_turn;
    figures.joules_per_token = experiment.device.joules_per_token;
    if (const auto bytes = experiment.device.memory_used_bytes) figures.memory_gib = *bytes / (1024.0 * 1024 * 1024);
    figures.sm_clock_mhz = experiment.device.sm_clock_mhz;
    figures.bound = experiment.device.bound;
    figures.jain = jain_of(experiment);
    figures.median_ms = mean_median_ms(experiment);
  }
  return all;
}

std::vector<ScalingLine> scaling_lines(std::span<const ExperimentAnalysis> experiments) {
  std::map<std::string, std::vector<const ExperimentAnalysis*>> series;
  for (const ExperimentAnalysis& experiment : experiments) {
    const std::string work = common_work(experiment);
    if (work.empty()) continue;
    // A single tenant shares with nobody: it begins the line of every mode, so it is added to each below.
    const bool alone = experiment.tenants.size() == 1;
    series[work + (alone || experiment.sharing.empty() ? "" : ", " + experiment.sharing)].push_back(&experiment);
  }
  std::vector<ScalingLine> lines;
  for (auto& [name, members] : series) {
    if (const auto comma = name.rfind(", "); comma != std::string::npos) {
      if (const auto solo = series.find(name.substr(0, comma)); solo != series.end()) {
        members.insert(members.end(), solo->second.begin(), solo->second.end());
      }
    }
    std::stable_sort(members.begin(), members.end(),
                     [](const auto* a, const auto* b) { return a->tenants.size() < b->tenants.size(); });
    if (members.empty() || members.front()->tenants.size() == members.back()->tenants.size()) continue;
    ScalingLine& line = lines.emplace_back();
    line.name = name;
    for (const ExperimentAnalysis* member : members) {
      line.tenants.push_back(static_cast<double>(member->tenants.size()));
      line.tokens_per_s.push_back(member->device.tokens_per_s.value_or(NAN));
      line.median_ms.push_back(mean_median_ms(*member).value_or(NAN));
    }
  }
  return lines;
}

std::vector<LoadLine> load_lines(std::span<const ExperimentAnalysis> experiments) {
  std::map<std::string, std::map<double, const TenantAnalysis*>> by_name;
  for (const ExperimentAnalysis& experiment : experiments)
    for (const TenantAnalysis& tenant : experiment.tenants)
      if (tenant.offered_per_s && tenant.latency_ms.count > 0) by_name[tenant.name][*tenant.offered_per_s] = &tenant;
  std::vector<LoadLine> lines;
  for (const auto& [name, points] : by_name) {
    if (points.size() < 2) continue;
    LoadLine& line = lines.emplace_back();
    line.name = name;
    for (const auto& [offered_per_s, tenant] : points) {
      line.offered_per_s.push_back(offered_per_s);
      line.p99_ms.push_back(tenant->latency_ms.p99);
      line.goodput_per_s.push_back(
          (tenant->attainment ? tenant->attainment->goodput_requests_per_s : tenant->rate_per_s).value_or(NAN));
    }
  }
  return lines;
}

}  // namespace cotenant
