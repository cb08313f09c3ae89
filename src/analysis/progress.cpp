#include "analysis/progress.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <utility>

#include "analysis/batches.h"
#include "analysis/summary.h"
#include "analysis/telemetry.h"
#include "stats/describe.h"
#include "stats/estimated_variance.h"
#include "stats/inequality.h"
#include "stats/running_mean.h"

namespace cotenant {
namespace {

double geometric_mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return std::exp(sum / static_cast<double>(values.size()));
}

std::vector<double> over_their_mean(std::vector<double> values) {
  const double center = mean(values);
  for (double& value : values) value /= center;
  return values;
}

// Tenants that are set against each other, each with its baseline.
struct Measured {
  const LoadedTenant* tenant = nullptr;
  const Baseline* baseline = nullptr;
};

// What the intervals of some tenants' progress rest on.
struct Evidence {
  RelativeRates rates;      // [tenant][part of the window, or run]; empty where there are too few
  bool in_time = true;      // parts of one window
  std::vector<size_t> use;  // of each tenant: which of `alone`
  std::vector<const Baseline*> distinct;
  std::vector<std::optional<EstimatedVariance>> alone;  // of the logarithm of each distinct baseline's rate
};

Evidence without_rates(std::span<const Measured> sides) {
  Evidence evidence;
  for (const Measured& side : sides) {
    const auto same = [&](const Baseline* other) { return other->tenant == side.baseline->tenant; };
    const auto found = std::ranges::find_if(evidence.distinct, same);
    evidence.use.push_back(static_cast<size_t>(found - evidence.distinct.begin()));
    if (found == evidence.distinct.end()) evidence.distinct.push_back(side.baseline);
  }
  return evidence;
}

std::optional<EstimatedVariance> variance_alone(const Baseline& baseline) {
  const auto parts = batch_count(baseline.tenant->tally.requests);
  if (!parts) return std::nullopt;
  const auto requests = requests_by_part(*baseline.tenant, counting_window(*baseline.experiment), *parts);
  return requests.empty() ? std::nullopt : std::optional(variance_of_batch_mean(over_their_mean(requests)));
}

// In as many parts as the tenant with the fewest requests allows; empty where it allows none.
RelativeRates rates_of(std::span<const Measured> sides, const std::optional<WindowRecord>& window) {
  double fewest = std::numeric_limits<double>::infinity();
  for (const Measured& side : sides) fewest = std::min(fewest, side.tenant->tally.requests);
  const auto parts = batch_count(fewest);
  RelativeRates rates;
  for (const Measured& side : sides) {
    std::vector<double> requests = parts ? requests_by_part(*side.tenant, window, *parts) : std::vector<double>{};
    if (requests.empty()) return {};
    rates.push_back(over_their_mean(std::move(requests)));
  }
  return rates;
}

Evidence of_one_run(std::span<const Measured> sides, const std::optional<WindowRecord>& window) {
  Evidence evidence = without_rates(sides);
  evidence.rates = rates_of(sides, window);
  for (const Baseline* baseline : evidence.distinct) evidence.alone.push_back(variance_alone(*baseline));
  return evidence;
}

// `progress`: [tenant][run]. `sharing`: how many of the runs use one and the same baselines.
Evidence of_runs(std::span<const Measured> sides, const RelativeRates& progress, size_t sharing) {
  Evidence evidence = without_rates(sides);
  evidence.in_time = false;
  for (const auto& of_tenant : progress) evidence.rates.push_back(over_their_mean(of_tenant));
  const auto runs = static_cast<double>(progress.front().size());
  const double share = sharing > 1 ? static_cast<double>(sharing) / runs : 0;
  for (size_t b = 0; b < evidence.distinct.size(); ++b) {
    RunningMean spread;  // of one run, taken from the tenants that are compared with this baseline
    for (size_t t = 0; t < sides.size(); ++t)
      if (evidence.use[t] == b) spread.add(variance_of_mean(evidence.rates[t]).variance * runs);
    const auto within = variance_alone(*evidence.distinct[b]);
    const double variance = std::max(*spread.value(), within ? within->variance : 0);
    evidence.alone.push_back(scaled({variance, runs - 1}, share));
  }
  return evidence;
}

// Of one of them by itself: in its own number of parts.
Evidence of_one_tenant(const Evidence& of_all, size_t t, const Measured& side,
                       const std::optional<WindowRecord>& window) {
  Evidence evidence;
  evidence.in_time = of_all.in_time;
  evidence.use = {0};
  evidence.alone = {of_all.alone[of_all.use[t]]};
  evidence.rates = of_all.in_time ? rates_of({&side, 1}, window) : RelativeRates(1, of_all.rates[t]);
  return evidence;
}

// How many runs used the baselines of the first one.
size_t sharing_runs(const ExperimentAnalysis& analysis) {
  return static_cast<size_t>(
      std::ranges::count_if(analysis.repeats, [](const RepeatAnalysis& run) { return !run.own_baselines; }));
}

// Of the shared run alone: parts of a window resemble their neighbours, by `r` or else as found here; runs do not.
EstimatedVariance variance_shared(const Evidence& evidence, std::span<const double> weights, std::optional<double> r) {
  const std::vector<double> contrast = contrast_of(evidence.rates, weights);
  if (!evidence.in_time) return variance_of_mean(contrast);
  return r ? variance_of_batch_mean(contrast, *r) : variance_of_batch_mean(contrast);
}

// Of the sum over tenants of weights[t] x log(progress[t]).
std::optional<EstimatedVariance> variance_of(const Evidence& evidence, std::span<const double> weights,
                                             std::optional<double> r = std::nullopt) {
  if (evidence.rates.empty()) return std::nullopt;
  EstimatedVariance sum = variance_shared(evidence, weights, r);
  for (size_t b = 0; b < evidence.alone.size(); ++b) {
    double weight = 0;
    for (size_t t = 0; t < weights.size(); ++t)
      if (evidence.use[t] == b) weight += weights[t];
    if (std::abs(weight) < 1e-12) continue;
    if (!evidence.alone[b]) return std::nullopt;
    sum = sum + scaled(*evidence.alone[b], weight);
  }
  return sum;
}

// Of a positive value whose logarithm has that variance.
std::optional<Interval> interval_of(double value, const std::optional<EstimatedVariance>& variance,
                                    double confidence = 0.95) {
  if (!variance) return std::nullopt;
  const double factor = std::exp(half_width(*variance, confidence));
  return Interval{value / factor, value * factor};
}

// A figure of each run: [tenant][run], over the runs in which all tenants have it.
using OfRun = std::vector<std::optional<double>> RepeatAnalysis::*;
RelativeRates figures_of_runs(const ExperimentAnalysis& analysis, OfRun figure) {
  RelativeRates figures(analysis.tenants.size());
  for (const RepeatAnalysis& repeat : analysis.repeats) {
    if (!std::ranges::all_of(repeat.*figure, [](const auto& value) { return value.has_value(); })) continue;
    for (size_t t = 0; t < figures.size(); ++t) figures[t].push_back(*(repeat.*figure)[t]);
  }
  return figures;
}

// What telemetry says of its run alone.
void set_alone(TenantAnalysis& tenant, const LoadedExperiment& experiment, const LoadedTenant& alone) {
  if (experiment.tenants.size() > 1) {  // a forced baseline
    tenant.bound_reason = "its baseline was not alone on the device";
    return;
  }
  const TelemetryMeans means = telemetry_of(experiment).front();  // a tenant alone is on one device
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

Verdict verdict_of(double relative_progress, const std::optional<Interval>& cautious,
                   const std::optional<Interval>& guarded) {
  if (!cautious || !guarded) return Verdict::unclear;
  if (relative_progress > verdict_ratio && guarded->low > 1) return Verdict::hogging;
  if (relative_progress < 1 / verdict_ratio && guarded->high < 1) return Verdict::starved;
  const bool within = cautious->low >= 1 / verdict_ratio && cautious->high <= verdict_ratio;
  return within ? Verdict::fair : Verdict::unclear;
}

Verdict study_verdict_of(double slowdown, double mean_slowdown) {
  if (slowdown < mean_slowdown - study_verdict_points) return Verdict::hogging;
  return slowdown > mean_slowdown + study_verdict_points ? Verdict::starved : Verdict::fair;
}

void set_progress(TenantAnalysis& tenant, const LoadedTenant& loaded, const Baseline& baseline, Metric metric) {
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

  if (const auto rate = loaded.rate_per_s(); rate && use.rate_per_s.value_or(0) > 0 && !loaded.is_open_loop())
    tenant.progress = *rate / *use.rate_per_s;
  tenant.slowdown_mean = ratio(here, there, &Summary::mean);
  tenant.slowdown_p50 = ratio(here, there, &Summary::p50);
  tenant.slowdown_p95 = ratio(here, there, &Summary::p95);
  tenant.slowdown_p99 = ratio(here, there, &Summary::p99);
  if (here && there) tenant.contention_ms = here->p50 - there->p50;
  if (here && there)
    tenant.slowdown_p50_interval =
        median_ratio_interval({tenant.metric_sorted_ms, here->n_eff_p50}, {use.metric_sorted_ms, there->n_eff_p50});
  const auto column = [&](Metric which) { return summarize_column(counted(alone.samples, which)); };
  tenant.ttft_slowdown_p50 = ratio(tenant.ttft_ms, column(Metric::ttft), &Summary::p50);
  tenant.tpot_slowdown_p50 = ratio(tenant.tpot_ms, column(Metric::tpot), &Summary::p50);
}

namespace {

// Of tenants that share a device.
void set_study_verdicts(std::span<TenantAnalysis* const> tenants) {
  std::vector<double> slowdowns;
  for (const TenantAnalysis* tenant : tenants)
    if (tenant->slowdown_mean) slowdowns.push_back(*tenant->slowdown_mean);
  if (slowdowns.size() < 2 || slowdowns.size() != tenants.size()) return;
  for (TenantAnalysis* tenant : tenants)
    tenant->study_verdict = study_verdict_of(*tenant->slowdown_mean, mean(slowdowns));
}

// Those on one device after those on another.
std::vector<std::vector<TenantAnalysis*>> by_device(ExperimentAnalysis& analysis) {
  std::map<std::string, std::vector<TenantAnalysis*>> tenants;
  for (TenantAnalysis& tenant : analysis.tenants) tenants[tenant.device].push_back(&tenant);
  std::vector<std::vector<TenantAnalysis*>> groups;
  for (auto& [device, group] : tenants) groups.push_back(std::move(group));
  return groups;
}

// From enough runs the slowdown of the median is their mean.
void set_slowdowns_of_runs(ExperimentAnalysis& analysis, const std::vector<std::optional<Baseline>>& baselines) {
  const RelativeRates slowdowns = figures_of_runs(analysis, &RepeatAnalysis::slowdown_p50);
  if (slowdowns.front().size() < least_repeats) return;
  for (size_t t = 0; t < slowdowns.size(); ++t) {
    const std::array<Measured, 1> side{{{nullptr, &*baselines[t]}}};
    const Evidence evidence = of_runs(side, RelativeRates(1, slowdowns[t]), sharing_runs(analysis));
    TenantAnalysis& tenant = analysis.tenants[t];
    tenant.slowdown_p50 = mean(slowdowns[t]);
    tenant.slowdown_p50_interval = interval_of(*tenant.slowdown_p50, variance_of(evidence, std::array{1.0}));
  }
}

// Tenants that share a device, as indices of those that did anything: only these can take from one another.
using Sharers = std::vector<size_t>;

// The tenant less the mean of those with which it shares.
std::vector<double> against_the_mean(size_t tenant, const Sharers& sharers, size_t tenants) {
  std::vector<double> weights(tenants, 0);
  for (const size_t sharer : sharers) weights[sharer] = -1 / static_cast<double>(sharers.size());
  weights[tenant] += 1;
  return weights;
}

// Of all of them against their mean: one of them alone has too few parts to tell it well.
std::optional<double> correlation_against_the_mean(const Evidence& evidence, const Sharers& sharers) {
  if (evidence.rates.empty() || !evidence.in_time) return std::nullopt;
  std::vector<std::vector<double>> contrasts;
  for (const size_t t : sharers)
    contrasts.push_back(contrast_of(evidence.rates, against_the_mean(t, sharers, evidence.rates.size())));
  return correlation_of_batches(std::vector<std::span<const double>>(contrasts.begin(), contrasts.end()));
}

// Relative progress and who takes from whom.
void set_verdicts(std::span<TenantAnalysis* const> tenants, const Sharers& sharers, const Evidence& evidence) {
  const auto n = static_cast<double>(sharers.size());
  std::vector<double> progress;
  for (const size_t t : sharers) progress.push_back(*tenants[t]->progress);
  const double center = geometric_mean(progress);
  const auto r = correlation_against_the_mean(evidence, sharers);
  for (const size_t t : sharers) {
    const double relative = *tenants[t]->progress / center;
    const auto variance = variance_of(evidence, against_the_mean(t, sharers, tenants.size()), r);
    tenants[t]->relative_progress = relative;
    tenants[t]->relative_progress_interval = interval_of(relative, variance);
    tenants[t]->verdict =
        verdict_of(relative, interval_of(relative, variance, 0.97), interval_of(relative, variance, 1 - 0.025 / n));
  }
}

// Of the sum of the progress of some of them.
std::optional<Interval> stp_interval_of(std::span<TenantAnalysis* const> tenants, const Sharers& of,
                                        const Evidence& evidence) {
  double stp = 0;
  std::vector<double> weights(tenants.size(), 0);  // progress over STP
  for (const size_t t : of) stp += weights[t] = *tenants[t]->progress;
  for (double& weight : weights) weight /= stp;
  return interval_of(stp, variance_of(evidence, weights));
}

// What the tenants of one device do together: as of all of them.
void set_device(PerDeviceAnalysis& device, const ExperimentAnalysis& analysis) {
  std::vector<double> progress;
  double turnaround = 0;
  for (const TenantAnalysis& tenant : analysis.tenants) {
    if (tenant.device != device.device) continue;
    progress.push_back(*tenant.progress);
    turnaround += 1 / *tenant.progress;
  }
  if (progress.empty()) return;
  device.stp = std::accumulate(progress.begin(), progress.end(), 0.0);
  if (std::isfinite(turnaround)) device.antt = turnaround / static_cast<double>(progress.size());
  if (progress.size() > 1 && *device.stp > 0) device.jain = jain(progress);
}

}  // namespace

void judge(ExperimentAnalysis& analysis, const LoadedExperiment& experiment,
           const std::vector<std::optional<Baseline>>& baselines) {
  set_slowdowns_of_runs(analysis, baselines);
  RelativeRates of_each_run = figures_of_runs(analysis, &RepeatAnalysis::progress);
  const bool repeated = of_each_run.front().size() >= least_repeats;
  for (size_t t = 0; repeated && t < analysis.tenants.size(); ++t) analysis.tenants[t].progress = mean(of_each_run[t]);
  for (const auto& tenants : by_device(analysis)) set_study_verdicts(tenants);
  if (!std::ranges::all_of(analysis.tenants, [](const auto& tenant) { return tenant.progress.has_value(); })) return;

  std::vector<Measured> sides;  // of the tenants that did anything
  std::vector<TenantAnalysis*> alive;
  std::map<std::string, Sharers> sharers;  // by device
  Sharers all;
  RelativeRates runs;
  double turnaround = 0;
  analysis.stp = 0;
  for (size_t t = 0; t < analysis.tenants.size(); ++t) {
    const double progress = *analysis.tenants[t].progress;
    *analysis.stp += progress;
    turnaround += 1 / progress;
    if (!(progress > 0)) continue;
    sides.push_back({&experiment.tenants[t], &*baselines[t]});
    sharers[analysis.tenants[t].device].push_back(alive.size());
    all.push_back(alive.size());
    alive.push_back(&analysis.tenants[t]);
    if (repeated) runs.push_back(std::move(of_each_run[t]));
  }
  if (std::isfinite(turnaround)) analysis.antt = turnaround / static_cast<double>(analysis.tenants.size());
  for (PerDeviceAnalysis& device : analysis.devices) set_device(device, analysis);
  // Without host times there is no saying who took from whom: see docs/metrics.md, "Why the host's clock".
  const auto timed = [](const LoadedTenant& tenant) { return tenant.clock() == Clock::host; };
  if (alive.empty() || !std::ranges::all_of(experiment.tenants, timed)) return;

  const auto window = counting_window(experiment);
  const Evidence evidence = repeated ? of_runs(sides, runs, sharing_runs(analysis)) : of_one_run(sides, window);
  for (size_t t = 0; t < alive.size(); ++t) {
    const auto variance = variance_of(of_one_tenant(evidence, t, sides[t], window), std::array{1.0});
    alive[t]->progress_interval = interval_of(*alive[t]->progress, variance);
  }
  analysis.stp_interval = stp_interval_of(alive, all, evidence);
  for (PerDeviceAnalysis& device : analysis.devices)
    if (const Sharers& own = sharers[device.device]; !own.empty())
      device.stp_interval = stp_interval_of(alive, own, evidence);
  for (const auto& [device, own] : sharers)
    if (own.size() > 1) set_verdicts(alive, own, evidence);
}

}  // namespace cotenant
