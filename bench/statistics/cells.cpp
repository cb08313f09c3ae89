#include "cells.h"

#include <algorithm>
#include <cmath>

#include "analysis/progress.h"
#include "analysis/summary.h"
#include "stats/change_point.h"
#include "stats/describe.h"

namespace cotenant::made {
namespace {

// Each tenant beside its baseline.
ExperimentAnalysis described(const Made& made) {
  ExperimentAnalysis analysis;
  for (const LoadedTenant& loaded : made.shared.tenants) {
    TenantAnalysis& tenant = analysis.tenants.emplace_back();
    tenant.name = loaded.name;
    tenant.metric_ms = counted(loaded.samples, Metric::latency);
    tenant.metric_sorted_ms = sorted_copy(tenant.metric_ms);
  }
  for (size_t t = 0; t < analysis.tenants.size(); ++t)
    set_progress(analysis.tenants[t], made.shared.tenants[t], *made.baselines[t], Metric::latency);
  return analysis;
}

ExperimentAnalysis analyze(const Made& made) {
  ExperimentAnalysis analysis = described(made);
  judge(analysis, made.shared, made.baselines);
  return analysis;
}

// In the long run; the latencies' shapes are the same shared and alone, so that medians stand as means do.
std::vector<double> true_progress(const Plan& plan) {
  std::vector<double> progress;
  for (size_t t = 0; t < plan.latency_ms.size(); ++t)
    progress.push_back(plan.alone_ms[plan.baseline[t]] / plan.latency_ms[t]);
  return progress;
}

}  // namespace

void Coverage::add(const std::optional<Interval>& interval, double truth) {
  ++asked;
  if (!interval) return;
  ++given;
  covered += interval->low <= truth && truth <= interval->high;
}

PercentileCoverage percentile_coverage(Kind kind, size_t n, size_t replicates, uint64_t seed) {
  static std::map<Kind, std::array<double, 3>> truths;
  auto [found, is_new] = truths.try_emplace(kind);
  if (is_new) found->second = {true_quantile(kind, 0.5), true_quantile(kind, 0.95), true_quantile(kind, 0.99)};
  PercentileCoverage coverage;
  Draw draw(seed);
  for (size_t i = 0; i < replicates; ++i) {
    const auto summary = summarize_column(latencies(kind, n, draw));
    coverage.p50.add(summary->ci95_p50, found->second[0]);
    coverage.p95.add(summary->ci95_p95, found->second[1]);
    coverage.p99.add(summary->ci95_p99, found->second[2]);
  }
  return coverage;
}

WorkCoverage work_coverage(const Plan& plan, size_t replicates, uint64_t seed) {
  const std::vector<double> truth = true_progress(plan);
  double stp = 0, logarithms = 0;
  for (const double progress : truth) stp += progress, logarithms += std::log(progress);
  const double center = std::exp(logarithms / static_cast<double>(truth.size()));
  WorkCoverage coverage;
  Draw draw(seed);
  for (size_t i = 0; i < replicates; ++i) {
    const ExperimentAnalysis analysis = analyze(make(plan, draw));
    for (size_t t = 0; t < truth.size(); ++t) {
      coverage.progress.add(analysis.tenants[t].progress_interval, truth[t]);
      coverage.slowdown.add(analysis.tenants[t].slowdown_p50_interval, 1 / truth[t]);
      coverage.relative.add(analysis.tenants[t].relative_progress_interval, truth[t] / center);
    }
    coverage.stp.add(analysis.stp_interval, stp);
  }
  return coverage;
}

double VerdictCounts::share(Verdict verdict) const {
  const auto found = of_tenants.find(verdict);
  return found == of_tenants.end() ? 0 : static_cast<double>(found->second) / static_cast<double>(tenants);
}

VerdictCounts verdicts(const Plan& plan, size_t replicates, uint64_t seed) {
  VerdictCounts counts;
  Draw draw(seed);
  for (size_t i = 0; i < replicates; ++i) {
    const ExperimentAnalysis analysis = analyze(make(plan, draw));
    bool unfair = false;
    for (const TenantAnalysis& tenant : analysis.tenants) {
      ++counts.of_tenants[*tenant.verdict];
      ++counts.of_study[*tenant.study_verdict];
      unfair |= *tenant.verdict == Verdict::hogging || *tenant.verdict == Verdict::starved;
    }
    ++counts.of_first[*analysis.tenants[0].verdict];
    counts.tenants += analysis.tenants.size();
    ++counts.experiments;
    counts.experiments_with_unfair += unfair;
  }
  return counts;
}

Plan equal_tenants(Kind kind, size_t tenants, size_t requests, bool own_baselines) {
  Plan plan;
  plan.kind = kind;
  plan.requests = requests;
  for (size_t t = 0; t < tenants; ++t) {
    plan.latency_ms.push_back(static_cast<double>(tenants));
    if (own_baselines || t == 0) plan.alone_ms.push_back(1);
    plan.baseline.push_back(own_baselines ? t : 0);
  }
  return plan;
}

Plan unequal_tenants(Kind kind, double relative, size_t requests) {
  Plan plan = equal_tenants(kind, 3, requests);
  plan.latency_ms[0] /= std::pow(relative, 1.5);
  return plan;
}

WarmupCounts late_warmups(Kind kind, size_t n, double slow_until, double slow_by, size_t replicates, uint64_t seed) {
  WarmupCounts counts;
  Draw draw(seed);
  const auto slow = static_cast<size_t>(slow_until * static_cast<double>(n));
  for (size_t i = 0; i < replicates; ++i) {
    std::vector<double> values = latencies(kind, n, draw);
    std::transform(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(slow), values.begin(),
                   [&](double value) { return value * slow_by; });
    const auto late = late_warmup(values);
    counts.warmups += late.has_value() && late->early;
    counts.changes += late.has_value() && !late->early;
    ++counts.sequences;
  }
  return counts;
}

ChangeCounts changes(size_t runs_a_side, double run_spread, double shift, size_t replicates, uint64_t seed) {
  constexpr double of_figure = 0.005;
  ChangeCounts counts;
  Draw draw(seed);
  for (size_t i = 0; i < replicates; ++i) {
    std::array<std::array<RunFigures, 2>, 2> figures;  // [tenant][side]
    for (size_t side = 0; side < 2; ++side)
      for (size_t run = 0; run < runs_a_side; ++run) {
        const double speed = std::exp(run_spread * draw.normal()) * (side == 1 ? 1 + shift : 1);
        for (auto& tenant : figures) {
          const double latency_ms = speed * std::exp(of_figure * draw.normal());
          tenant[side].mean_ms.push_back(latency_ms);
          tenant[side].rate_per_s.push_back(1000 / latency_ms);
          tenant[side].p50_ms.push_back(speed * std::exp(of_figure * draw.normal()));
        }
      }
    std::vector<TenantComparison> tenants;
    for (const auto& tenant : figures) tenants.push_back(compare_figures(tenant[0], tenant[1]));
    judge_changes(tenants, 0.02);
    bool any = false;
    for (const TenantComparison& tenant : tenants) {
      ++counts.of_tenants[tenant.change];
      any |= tenant.change == Change::faster || tenant.change == Change::slower;
    }
    ++counts.comparisons;
    counts.comparisons_with_change += any;
  }
  return counts;
}

WorkCoverage repeat_coverage(size_t runs, size_t tenants, double run_spread, bool own_baselines, size_t replicates,
                             uint64_t seed) {
  constexpr size_t requests = 200;
  WorkCoverage coverage;
  Draw draw(seed);
  const auto n = static_cast<double>(tenants);
  for (size_t i = 0; i < replicates; ++i) {
    const auto speed = [&] { return std::exp(run_spread * draw.normal() - run_spread * run_spread / 2); };
    const auto one_run = [&](double alone_ms) {
      Plan plan = equal_tenants(Kind::independent, tenants, requests);
      const double shared = speed();
      for (double& latency_ms : plan.latency_ms) latency_ms *= shared;
      plan.alone_ms[0] = alone_ms;
      return make(plan, draw);
    };
    const Made first = one_run(speed());
    ExperimentAnalysis analysis = described(first);
    const auto add = [&](const Made& run, const std::vector<std::optional<Baseline>>& baselines, bool own) {
      RepeatAnalysis& repeat = analysis.repeats.emplace_back();
      repeat.own_baselines = own;
      for (size_t t = 0; t < tenants; ++t) {
        repeat.progress.emplace_back(*run.shared.tenants[t].rate_per_s() / *baselines[t]->tenant->rate_per_s());
        repeat.slowdown_p50.emplace_back(median(counted(run.shared.tenants[t].samples, Metric::latency)) /
                                         median(counted(baselines[t]->tenant->samples, Metric::latency)));
      }
    };
    add(first, first.baselines, false);
    for (size_t r = 1; r < runs; ++r) {
      const Made run = one_run(speed());
      add(run, own_baselines ? run.baselines : first.baselines, own_baselines);
    }
    judge(analysis, first.shared, first.baselines);
    for (const TenantAnalysis& tenant : analysis.tenants) {
      coverage.progress.add(tenant.progress_interval, 1 / n);
      coverage.slowdown.add(tenant.slowdown_p50_interval, n);
      coverage.relative.add(tenant.relative_progress_interval, 1);
    }
    coverage.stp.add(analysis.stp_interval, 1);
  }
  return coverage;
}

}  // namespace cotenant::made
