#include "analysis/progress.h"

#include <algorithm>
#include <cmath>

#include "analysis/summary.h"
#include "analysis/telemetry.h"
#include "stats/bootstrap.h"
#include "stats/describe.h"
#include "stats/intervals.h"

namespace cotenant {
namespace {

// Times between completions: their mean is the inverse of the work rate.
std::vector<double> cycle_times_s(const Samples& samples) {
  std::vector<double> cycles;
  for (size_t i = 1; i < samples.end_s.size(); ++i)
    if (samples.counts[i] && samples.counts[i - 1]) cycles.push_back(samples.end_s[i] - samples.end_s[i - 1]);
  return cycles;
}

// Replicates of progress; empty where there are too few blocks on a side.
std::vector<double> progress_replicates(const LoadedTenant& shared, const LoadedTenant& alone, SplitMix64& random) {
  constexpr size_t replicates = 1000;
  const std::vector<double> here = cycle_times_s(shared.samples), there = cycle_times_s(alone.samples);
  if (block_count(here) < least_blocks || block_count(there) < least_blocks) return {};
  std::vector<double> progress = bootstrap_mean(there, replicates, random);
  const std::vector<double> shared_means = bootstrap_mean(here, replicates, random);
  for (size_t i = 0; i < replicates; ++i) progress[i] /= shared_means[i];
  return progress;
}

double geometric_mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

Interval interval_of(std::vector<double> replicates) {
  const PercentileInterval interval = percentile_interval(std::move(replicates));
  return {interval.low, interval.high};
}

struct Intervals {
  std::vector<std::optional<Interval>> progress, relative;  // of each tenant
  std::optional<Interval> stp;
};

// From rows of all tenants' progress, each a replicate or a repeat.
template <class MakeInterval>
Intervals intervals_of(const std::vector<std::vector<double>>& rows, MakeInterval make_interval) {
  const size_t tenants = rows.front().size();
  std::vector<std::vector<double>> progress(tenants), relative(tenants);
  std::vector<double> sums;
  for (const auto& row : rows) {
    const double center = geometric_mean(row);
    double sum = 0;
    for (size_t t = 0; t < tenants; ++t) {
      progress[t].push_back(row[t]);
      relative[t].push_back(row[t] / center);
      sum += row[t];
    }
    sums.push_back(sum);
  }
  Intervals result;
  for (size_t t = 0; t < tenants; ++t) {
    result.progress.push_back(make_interval(progress[t]));
    result.relative.push_back(make_interval(relative[t]));
  }
  result.stp = make_interval(sums);
  return result;
}

double mean_of_column(const std::vector<std::vector<double>>& rows, size_t column) {
  double sum = 0;
  for (const auto& row : rows) sum += row[column];
  return sum / static_cast<double>(rows.size());
}

// One row per run of a repeated experiment in which all tenants have their progress; none if there are too few.
std::vector<std::vector<double>> rows_of_repeats(const ExperimentAnalysis& analysis) {
  std::vector<std::vector<double>> rows;
  for (const RepeatAnalysis& repeat : analysis.repeats) {
    std::vector<double> row;
    for (const auto& progress : repeat.progress)
      if (progress) row.push_back(*progress);
    if (row.size() == analysis.tenants.size()) rows.push_back(std::move(row));
  }
  if (rows.size() < least_repeats) rows.clear();
  return rows;
}

std::vector<std::vector<double>> rows_of_bootstrap(const std::vector<LoadedTenant>& loaded,
                                                   const std::vector<std::optional<Baseline>>& baselines,
                                                   uint64_t seed) {
  std::vector<std::vector<double>> rows;
  SplitMix64 random(seed);
  for (size_t t = 0; t < loaded.size(); ++t) {
    const std::vector<double> replicates = progress_replicates(loaded[t], *baselines[t]->tenant, random);
    if (replicates.empty()) return {};
    rows.resize(replicates.size(), std::vector<double>(loaded.size()));
    for (size_t i = 0; i < replicates.size(); ++i) rows[i][t] = replicates[i];
  }
  return rows;
}

// `of_runs`: empty, or enough of them.
Intervals find_intervals(const std::vector<std::vector<double>>& of_runs, const std::vector<LoadedTenant>& loaded,
                         const std::vector<std::optional<Baseline>>& baselines, uint64_t seed) {
  if (!of_runs.empty())
    return intervals_of(of_runs, [](const std::vector<double>& values) {
      const MeanInterval interval = mean_interval(values);
      return std::optional(Interval{interval.low, interval.high});
    });
  const auto replicates = rows_of_bootstrap(loaded, baselines, seed);
  if (!replicates.empty()) return intervals_of(replicates, [](auto& v) { return std::optional(interval_of(v)); });
  return {std::vector<std::optional<Interval>>(loaded.size()), std::vector<std::optional<Interval>>(loaded.size()), {}};
}

// What telemetry says of its run alone.
void set_alone(TenantAnalysis& tenant, const LoadedExperiment& experiment, const LoadedTenant& alone) {
  if (experiment.tenants.size() > 1) {  // a forced baseline
    tenant.bound_reason = "its baseline was not alone on the device";
    return;
  }
  const TelemetryMeans means = telemetry_of(experiment);
  set_bound(tenant, means, alone);
  if (!tenant.baseline) return;
  tenant.baseline->sm_clock_mhz = means.sm_clock_mhz;
  tenant.baseline->telemetry_samples = means.samples;
  tenant.baseline->clock_samples = means.clock_samples;
  tenant.baseline->throttled_samples = means.throttled;
}

std::optional<double> ratio(const std::optional<Summary>& a, const std::optional<Summary>& b, double Summary::*of) {
  return a && b && (*b).*of > 0 ? std::optional((*a).*of / (*b).*of) : std::nullopt;
}

}  // namespace

Verdict verdict_of(double relative_progress, const std::optional<Interval>& interval) {
  if (!interval) return Verdict::unclear;
  if (relative_progress > verdict_ratio) return interval->low > 1 ? Verdict::hogging : Verdict::unclear;
  if (relative_progress < 1 / verdict_ratio) return interval->high < 1 ? Verdict::starved : Verdict::unclear;
  return Verdict::fair;
}

Verdict study_verdict_of(double slowdown, double mean_slowdown) {
  if (slowdown < mean_slowdown - study_verdict_points) return Verdict::hogging;
  return slowdown > mean_slowdown + study_verdict_points ? Verdict::starved : Verdict::fair;
}

void set_progress(TenantAnalysis& tenant, const LoadedTenant& loaded, const Baseline& baseline, Metric metric,
                  uint64_t seed) {
  const LoadedTenant& alone = *baseline.tenant;
  BaselineUse& use = tenant.baseline.emplace();
  use.experiment = baseline.experiment->name;
  use.tenant = alone.directory;
  use.directory = baseline.experiment->directory;
  use.why = baseline.why;
  use.found_by_search = baseline.found_by_search;
  use.mismatches = baseline.mismatches;
  use.rate_per_s = alone.rate_per_s();
  use.tokens_per_s = alone.tokens_per_s();
  set_alone(tenant, *baseline.experiment, alone);
  use.metric_ms = counted(alone.samples, metric);
  use.metric_sorted_ms = sorted_copy(use.metric_ms);
  const auto there = summarize_column(use.metric_ms, use.metric_sorted_ms);
  const auto here = summarize_column(tenant.metric_ms, tenant.metric_sorted_ms);
  if (there) use.metric = *there;

  if (use.rate_per_s > 0) tenant.progress = loaded.rate_per_s() / use.rate_per_s;
  tenant.slowdown_mean = ratio(here, there, &Summary::mean);
  tenant.slowdown_p50 = ratio(here, there, &Summary::p50);
  tenant.slowdown_p95 = ratio(here, there, &Summary::p95);
  tenant.slowdown_p99 = ratio(here, there, &Summary::p99);
  if (here && there) tenant.contention_ms = here->p50 - there->p50;
  if (here && there) tenant.slowdown_p50_interval = median_ratio_interval(tenant.metric_ms, use.metric_ms, seed);
  const auto column = [&](Metric which) { return summarize_column(counted(alone.samples, which)); };
  tenant.ttft_slowdown_p50 = ratio(tenant.ttft_ms, column(Metric::ttft), &Summary::p50);
  tenant.tpot_slowdown_p50 = ratio(tenant.tpot_ms, column(Metric::tpot), &Summary::p50);
}

void judge(ExperimentAnalysis& analysis, const std::vector<LoadedTenant>& loaded,
           const std::vector<std::optional<Baseline>>& baselines, uint64_t seed) {
  const auto of_runs = rows_of_repeats(analysis);
  for (size_t t = 0; !of_runs.empty() && t < analysis.tenants.size(); ++t)
    analysis.tenants[t].progress = mean_of_column(of_runs, t);
  std::vector<double> progress, slowdowns;
  for (const TenantAnalysis& tenant : analysis.tenants) {
    if (tenant.progress && *tenant.progress > 0) progress.push_back(*tenant.progress);
    if (tenant.slowdown_mean) slowdowns.push_back(*tenant.slowdown_mean);
  }
  const size_t tenants = analysis.tenants.size();
  if (slowdowns.size() == tenants && tenants > 1)
    for (TenantAnalysis& tenant : analysis.tenants)
      tenant.study_verdict = study_verdict_of(*tenant.slowdown_mean, mean(slowdowns));
  if (progress.size() != tenants) return;

  analysis.stp = 0;
  double turnaround = 0;
  for (const double p : progress) *analysis.stp += p, turnaround += 1 / p;
  analysis.antt = turnaround / static_cast<double>(tenants);
  // Without host times there is no saying who took from whom: see docs/metrics.md, "Why the host's clock".
  const auto timed = [](const LoadedTenant& tenant) { return tenant.clock() == Clock::host; };
  if (!std::ranges::all_of(loaded, timed)) return;

  const Intervals intervals = find_intervals(of_runs, loaded, baselines, seed);
  analysis.stp_interval = intervals.stp;
  const double center = geometric_mean(progress);
  for (size_t t = 0; t < tenants; ++t) {
    TenantAnalysis& tenant = analysis.tenants[t];
    tenant.progress_interval = intervals.progress[t];
    if (tenants < 2) continue;
    tenant.relative_progress = *tenant.progress / center;
    tenant.relative_progress_interval = intervals.relative[t];
    tenant.verdict = verdict_of(*tenant.relative_progress, tenant.relative_progress_interval);
  }
}

}  // namespace cotenant
