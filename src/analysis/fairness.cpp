#include "analysis/fairness.h"

#include <algorithm>
#include <array>

#include "stats/correction.h"
#include "stats/describe.h"
#include "stats/effect.h"
#include "stats/inequality.h"

namespace cotenant {
namespace {

struct NamedQuantile {
  const char* name;
  double q;
};
constexpr std::array<NamedQuantile, 4> quantiles{{{"p25", 0.25}, {"p50", 0.50}, {"p75", 0.75}, {"p99", 0.99}}};

Fairness::AtQuantile at_quantile(const char* name, std::span<const double> values) {
  return {name, coefficient_of_variation(values), max_min_ratio(values)};
}

}  // namespace

Spread spread_of(std::span<const double> values) {
  return {coefficient_of_variation(values), gini(values), max_min_ratio(values), range(values),
          max_deviation_percent(values),    jain(values)};
}

std::optional<Fairness> fairness_of_means(const std::vector<TenantAnalysis>& tenants, Metric metric) {
  if (tenants.size() < 2) return std::nullopt;
  std::vector<double> means;
  for (const TenantAnalysis& tenant : tenants) {
    if (tenant.metric_ms.empty()) return std::nullopt;
    means.push_back(mean(tenant.metric_ms));
  }
  Fairness fairness{std::string(to_string(metric)) + "_mean", spread_of(means), {}};
  for (const auto& [name, q] : quantiles) {
    std::vector<double> values;
    for (const TenantAnalysis& tenant : tenants) values.push_back(percentile(tenant.metric_sorted_ms, q));
    fairness.by_quantile.push_back(at_quantile(name, values));
  }
  return fairness;
}

std::optional<Fairness> fairness_of_progress(const std::vector<TenantAnalysis>& tenants) {
  if (tenants.size() < 2) return std::nullopt;
  std::vector<double> progress;
  for (const TenantAnalysis& tenant : tenants) {
    if (!tenant.progress) return std::nullopt;
    progress.push_back(*tenant.progress);
  }
  const auto has_latencies = [](const TenantAnalysis& tenant) {
    return !tenant.metric_ms.empty() && !tenant.baseline->metric_ms.empty();
  };
  if (std::ranges::all_of(progress, [](double p) { return p == 0; })) return std::nullopt;
  Fairness fairness{"progress", spread_of(progress), {}};
  if (!std::ranges::all_of(tenants, has_latencies)) return fairness;  // progress itself needs none
  for (const auto& [name, q] : quantiles) {
    std::vector<double> values;
    for (const TenantAnalysis& tenant : tenants)
      values.push_back(percentile(tenant.baseline->metric_sorted_ms, q) / percentile(tenant.metric_sorted_ms, q));
    fairness.by_quantile.push_back(at_quantile(name, values));
  }
  return fairness;
}

std::vector<RateSpread> rate_spreads_of(const std::vector<LoadedTenant>& tenants) {
  const auto device_of = [&](const LoadedTenant& tenant) { return tenant.record ? tenant.record->device : ""; };
  const bool several =
      std::ranges::any_of(tenants, [&](const LoadedTenant& t) { return device_of(t) != device_of(tenants.front()); });
  const auto rate_of = [&](size_t t) { return tenants[t].rate_per_s().value_or(0); };
  std::vector<RateSpread> spreads;
  for (size_t first = 0; first < tenants.size(); ++first) {
    const auto same = [&](const LoadedTenant& tenant) {
      return tenant.work == tenants[first].work && device_of(tenant) == device_of(tenants[first]);
    };
    if (std::any_of(tenants.begin(), tenants.begin() + static_cast<std::ptrdiff_t>(first), same)) continue;
    const std::string where = several ? " on " + device_of(tenants[first]) : "";
    RateSpread spread{describe(tenants[first].work) + where, 0, 1, first, first};
    for (size_t t = first; t < tenants.size(); ++t) {
      if (!same(tenants[t])) continue;
      ++spread.tenants;
      if (rate_of(t) > rate_of(spread.fastest)) spread.fastest = t;
      if (rate_of(t) < rate_of(spread.slowest)) spread.slowest = t;
    }
    const double least = rate_of(spread.slowest);
    if (spread.tenants < 2 || least <= 0) continue;
    spread.max_min_ratio = rate_of(spread.fastest) / least;
    spreads.push_back(std::move(spread));
  }
  return spreads;
}

std::optional<Significance> significance_of(const std::vector<TenantAnalysis>& tenants) {
  const auto too_few = [](const TenantAnalysis& tenant) { return tenant.metric_ms.size() < 2; };
  if (tenants.size() < 2 || std::ranges::any_of(tenants, too_few)) return std::nullopt;
  std::vector<std::span<const double>> samples;  // ascending, as the rank tests want them
  for (const TenantAnalysis& tenant : tenants) samples.push_back(tenant.metric_sorted_ms);

  Significance result;
  result.levene = levene(samples);
  result.equal_variances = result.levene.p > 0.05;
  result.omnibus = result.equal_variances ? anova(samples) : kruskal(samples);
  if (samples.size() > most_tenants_paired) return result;
  std::vector<double> p;
  for (size_t i = 0; i < samples.size(); ++i) {
    for (size_t j = i + 1; j < samples.size(); ++j) {
      const auto &a = samples[i], &b = samples[j];
      const TestResult t = result.equal_variances ? student_t(a, b) : welch_t(a, b);
      const TestResult u = mann_whitney(a, b);
      PairTest pair;
      pair.a = i, pair.b = j;
      pair.t = t.statistic, pair.t_p = t.p;
      pair.cohens_d = cohens_d(a, b);
      pair.u = u.statistic, pair.u_p = u.p;
      pair.rank_biserial = rank_biserial(u.statistic, a.size(), b.size());
      pair.cliffs_delta = cliffs_delta(u.statistic, a.size(), b.size());
      if (a.size() + b.size() <= 200'000) pair.hodges_lehmann_ms = hodges_lehmann(a, b);
      result.pairs.push_back(pair);
      p.push_back(u.p);
    }
  }
  const std::vector<double> corrected = holm(p);
  for (size_t i = 0; i < corrected.size(); ++i) result.pairs[i].p_holm = corrected[i];
  return result;
}

}  // namespace cotenant
