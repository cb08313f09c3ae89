#include "analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/load.h"
#include "analysis/progress.h"
#include "analysis/summary.h"
#include "base/error.h"
#include "stats/describe.h"
#include "stats/effect.h"
#include "stats/hypothesis_tests.h"
#include "stats/intervals.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

using Runs = std::vector<ExperimentAnalysis>;

ExperimentAnalysis analyze_run(const fs::path& directory, const CompareRequest& request) {
  AnalysisRequest one;
  one.directory = directory;
  one.metric = request.metric;
  one.find_baselines = false;
  one.seed = request.seed;
  return analyze_experiment(one);
}

Runs analyze_runs(const fs::path& path, const CompareRequest& request) {
  Runs runs;
  std::vector<fs::path> directories;
  std::error_code error;
  if (!is_experiment(path))
    for (const auto& entry : fs::directory_iterator(path, error))
      if (is_experiment(entry.path())) directories.push_back(entry.path());
  std::sort(directories.begin(), directories.end(),
            [](const fs::path& a, const fs::path& b) { return natural_less(a.string(), b.string()); });
  if (directories.empty()) directories.push_back(path);
  for (const fs::path& directory : directories) runs.push_back(analyze_run(directory, request));
  return runs;
}

const TenantAnalysis* tenant_named(const ExperimentAnalysis& run, const std::string& name) {
  const auto found = std::ranges::find(run.tenants, name, &TenantAnalysis::name);
  return found == run.tenants.end() ? nullptr : &*found;
}

// One tenant on one side: its samples in all runs together, and each run's median.
struct Side {
  std::vector<double> samples, medians;
};

Side side_of(const Runs& runs, const std::string& name) {
  Side side;
  for (const ExperimentAnalysis& run : runs) {
    const TenantAnalysis* tenant = tenant_named(run, name);
    if (!tenant || tenant->metric_ms.empty()) continue;
    side.samples.insert(side.samples.end(), tenant->metric_ms.begin(), tenant->metric_ms.end());
    const auto index = static_cast<size_t>(tenant - run.tenants.data());
    if (run.repeats.empty()) side.medians.push_back(median(tenant->metric_ms));
    for (const RepeatAnalysis& repeat : run.repeats)
      if (repeat.p50_ms[index] > 0) side.medians.push_back(repeat.p50_ms[index]);
  }
  return side;
}

std::vector<double> logarithms(const std::vector<double>& values) {
  std::vector<double> result;
  for (const double value : values) result.push_back(std::log(value));
  return result;
}

// Of the ratio of the runs' medians, after over before: Welch's interval of the difference of their logarithms.
Interval ratio_interval_of_runs(const Side& before, const Side& after) {
  const MeanInterval interval = mean_difference_interval(logarithms(after.medians), logarithms(before.medians));
  return {std::exp(interval.low), std::exp(interval.high)};
}

TenantComparison compare_tenant(const std::string& name, const Side& before, const Side& after,
                                const CompareRequest& request) {
  TenantComparison result;
  result.name = name;
  result.before_ms = std::exp(mean(logarithms(before.medians)));
  result.after_ms = std::exp(mean(logarithms(after.medians)));
  result.shift = result.after_ms / result.before_ms - 1;
  std::optional<Interval> ratio;
  if (before.medians.size() >= least_repeats && after.medians.size() >= least_repeats) {
    ratio = ratio_interval_of_runs(before, after);
    result.interval_from = fmt::format("{} and {} runs", before.medians.size(), after.medians.size());
  } else if ((ratio = median_ratio_interval(after.samples, before.samples, request.seed))) {
    result.interval_from = "block bootstrap";
  }
  if (ratio) result.interval = Interval{ratio->low - 1, ratio->high - 1};
  const TestResult u = mann_whitney(sorted_copy(after.samples), sorted_copy(before.samples));
  result.cliffs_delta = cliffs_delta(u.statistic, after.samples.size(), before.samples.size());
  result.cohens_d = cohens_d(after.samples, before.samples);
  result.change = judge_shift(result.shift, result.interval, request.min_effect);
  return result;
}

std::optional<double> mean_tokens_per_s(const Runs& runs) {
  std::vector<double> values;
  for (const ExperimentAnalysis& run : runs)
    if (run.device.tokens_per_s) values.push_back(*run.device.tokens_per_s);
  return values.empty() ? std::nullopt : std::optional(mean(values));
}

void require_same_work(const TenantAnalysis& before, const TenantAnalysis& after, const CompareRequest& request) {
  const auto work = [](const TenantAnalysis& t) {
    Work work{t.model, t.batch_size, t.seq_len, 0, t.task};
    if (t.stress) work.intensity = t.stress->intensity;
    return work;
  };
  if (work(before) == work(after)) return;
  throw usage_error(request.after.string(),
                    fmt::format("{} does {} there, but {} in {}", after.name, describe(work(after)),
                                describe(work(before)), request.before.string()),
                    "Compare two runs of one experiment.");
}

void add_gap(Comparison& comparison, const std::string& gap) {
  comparison.gaps.push_back(gap);
  comparison.warnings.push_back(gap);
}

// Of one run of either side.
void add_gaps(Comparison& comparison, const ExperimentAnalysis& run) {
  const std::string where = run.directory.string();
  if (run.valid && !*run.valid) add_gap(comparison, where + " is not valid: do not trust its figures.");
  for (const RepeatAnalysis& repeat : run.repeats)
    if (!repeat.valid && repeat.name != "first")
      add_gap(comparison, fmt::format("{}/repeats/{} is not valid: do not trust its figures.", where, repeat.name));
  for (const TenantComparison& compared : comparison.tenants) {
    const TenantAnalysis* tenant = tenant_named(run, compared.name);
    if (!tenant) {
      add_gap(comparison, fmt::format("{} is not in {}.", compared.name, where));
      continue;
    }
    if (tenant->died) add_gap(comparison, fmt::format("{} died in {}: {}.", tenant->name, where, *tenant->died));
    const auto index = static_cast<size_t>(tenant - run.tenants.data());
    for (const RepeatAnalysis& repeat : run.repeats)
      if (!(repeat.p50_ms[index] > 0))
        add_gap(comparison, fmt::format("{} has no samples in {}/repeats/{}.", tenant->name, where, repeat.name));
  }
}

void add_warnings(Comparison& comparison, const Runs& before, const Runs& after) {
  const auto differ = [&](const char* what, const std::string& a, const std::string& b) {
    if (!a.empty() && !b.empty() && a != b)
      comparison.warnings.push_back(fmt::format("{}: {} before, {} after.", what, a, b));
  };
  const ExperimentAnalysis &a = before.front(), &b = after.front();
  differ("device", a.device.name, b.device.name);
  differ("processor", a.cpu, b.cpu);
  differ("driver", a.driver, b.driver);
  differ("sharing", a.sharing, b.sharing);
  for (const Runs* side : {&before, &after})
    for (const ExperimentAnalysis& run : *side) add_gaps(comparison, run);
  const auto of_bootstrap = [](const TenantComparison& t) { return t.interval_from == "block bootstrap"; };
  if (std::ranges::any_of(comparison.tenants, of_bootstrap))
    comparison.warnings.push_back(
        "one run a side tells nothing of how runs differ from each other: use --repeat 5 on "
        "both sides.");
  const auto without = [](const TenantComparison& t) { return !t.interval; };
  if (std::ranges::any_of(comparison.tenants, without))
    comparison.warnings.push_back("n too small for an interval: raise min_duration_s or num_iters, or use --repeat 5.");
}

}  // namespace

std::string_view to_string(Change change) {
  switch (change) {
    case Change::faster:
      return "FASTER";
    case Change::slower:
      return "SLOWER";
    case Change::same:
      return "SAME";
    case Change::unclear:
      return "UNCLEAR";
  }
  return "?";
}

Change judge_shift(double shift, const std::optional<Interval>& interval, double min_effect) {
  if (!interval) return Change::unclear;
  if (interval->low >= -min_effect && interval->high <= min_effect) return Change::same;
  if (interval->low > 0 && shift >= min_effect) return Change::slower;
  if (interval->high < 0 && shift <= -min_effect) return Change::faster;
  return Change::unclear;
}

std::vector<std::string> open_questions(const Comparison& comparison) {
  std::vector<std::string> open = comparison.gaps;
  for (const TenantComparison& tenant : comparison.tenants)
    if (tenant.change == Change::unclear)
      open.push_back(fmt::format("{} is UNCLEAR: {:+.1f}%, {}.", tenant.name, 100 * tenant.shift,
                                 tenant.interval ? fmt::format("between {:+.1f}% and {:+.1f}%",
                                                               100 * tenant.interval->low, 100 * tenant.interval->high)
                                                 : "n too small"));
  return open;
}

Comparison compare_runs(const CompareRequest& request) {
  const Runs before = analyze_runs(request.before, request), after = analyze_runs(request.after, request);
  Comparison comparison;
  comparison.before = request.before.string();
  comparison.after = request.after.string();
  comparison.metric = request.metric;
  comparison.min_effect = request.min_effect;
  for (const TenantAnalysis& tenant : before.front().tenants) {
    const TenantAnalysis* same = tenant_named(after.front(), tenant.name);
    if (!same) {
      add_gap(comparison, fmt::format("{} is in {} alone.", tenant.name, comparison.before));
      continue;
    }
    require_same_work(tenant, *same, request);
    const Side a = side_of(before, tenant.name), b = side_of(after, tenant.name);
    if (a.samples.empty() || b.samples.empty()) {
      add_gap(comparison, fmt::format("{} has no samples on one side.", tenant.name));
      continue;
    }
    comparison.tenants.push_back(compare_tenant(tenant.name, a, b, request));
  }
  for (const TenantAnalysis& tenant : after.front().tenants)
    if (!tenant_named(before.front(), tenant.name))
      add_gap(comparison, fmt::format("{} is in {} alone.", tenant.name, comparison.after));
  if (comparison.tenants.empty())
    throw usage_error(comparison.after, fmt::format("has no tenant in common with {}", comparison.before),
                      "Compare two runs of one experiment.");
  comparison.tokens_per_s_before = mean_tokens_per_s(before);
  comparison.tokens_per_s_after = mean_tokens_per_s(after);
  add_warnings(comparison, before, after);
  return comparison;
}

}  // namespace cotenant
