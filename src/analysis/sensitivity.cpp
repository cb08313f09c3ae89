#include "analysis/sensitivity.h"

#include <algorithm>
#include <map>
#include <utility>

#include "stats/describe.h"

namespace cotenant {
namespace {

// What is known of one tenant before it is laid out as a table.
struct Curves {
  SensitivityTable table;
  using Cells = std::map<std::pair<std::string, double>, std::vector<double>>;
  Cells p50, mean;
};

const TenantAnalysis* only_stressor(const ExperimentAnalysis& experiment) {
  const TenantAnalysis* found = nullptr;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (!tenant.stress) continue;
    if (found) return nullptr;
    found = &tenant;
  }
  return found;
}

Curves& curves_of(std::vector<Curves>& all, const TenantAnalysis& tenant, const std::string& sharing) {
  const auto same = [&](const Curves& curves) {
    const SensitivityTable& t = curves.table;
    return t.tenant == tenant.name && t.model == tenant.model && t.batch_size == tenant.batch_size &&
           t.seq_len == tenant.seq_len && t.sharing == sharing;
  };
  if (const auto found = std::ranges::find_if(all, same); found != all.end()) return *found;
  Curves& curves = all.emplace_back();
  curves.table.tenant = tenant.name;
  curves.table.model = tenant.model;
  curves.table.batch_size = tenant.batch_size;
  curves.table.seq_len = tenant.seq_len;
  curves.table.sharing = sharing;
  return curves;
}

template <class T>
void add_once(std::vector<T>& values, const T& value) {
  if (std::ranges::find(values, value) == values.end()) values.push_back(value);
}

std::optional<double> median_of_some(const std::vector<double>& values) {
  return values.empty() ? std::nullopt : std::optional(median(values));
}

void lay_out(Curves& curves) {
  SensitivityTable& table = curves.table;
  std::ranges::sort(table.intensities);
  for (const std::string& kind : table.kinds) {
    auto &p50 = table.slowdown_p50.emplace_back(), &mean = table.slowdown_mean.emplace_back();
    for (const double intensity : table.intensities) {
      p50.push_back(median_of_some(curves.p50[{kind, intensity}]));
      mean.push_back(median_of_some(curves.mean[{kind, intensity}]));
    }
  }
}

}  // namespace

std::vector<SensitivityTable> sensitivity_tables(std::span<const ExperimentAnalysis> experiments) {
  std::vector<Curves> all;
  for (const ExperimentAnalysis& experiment : experiments) {
    const TenantAnalysis* stressor = only_stressor(experiment);
    if (!stressor) continue;
    for (const TenantAnalysis& tenant : experiment.tenants) {
      if (tenant.stress) continue;
      Curves& curves = curves_of(all, tenant, experiment.sharing);
      add_once(curves.table.kinds, stressor->stress->kind);
      add_once(curves.table.intensities, stressor->stress->intensity);
      const std::pair cell{stressor->stress->kind, stressor->stress->intensity};
      if (tenant.slowdown_p50) curves.p50[cell].push_back(*tenant.slowdown_p50);
      if (tenant.slowdown_mean) curves.mean[cell].push_back(*tenant.slowdown_mean);
    }
  }
  std::vector<SensitivityTable> tables;
  for (Curves& curves : all) {
    lay_out(curves);
    tables.push_back(std::move(curves.table));
  }
  return tables;
}

}  // namespace cotenant
