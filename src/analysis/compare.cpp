#include "analysis/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/load.h"
#include "analysis/summary.h"
#include "base/error.h"
#include "stats/autocorrelation.h"
#include "stats/correction.h"
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

// One tenant on one side: its samples in all runs together, and each run's figures.
struct Side {
  std::vector<double> samples;
  RunFigures runs;
};

void add_run(RunFigures& runs, double p50_ms, double mean_ms, double rate_per_s) {
  if (!(p50_ms > 0) || !(mean_ms > 0)) return;
  runs.p50_ms.push_back(p50_ms);
  runs.mean_ms.push_back(mean_ms);
  if (rate_per_s > 0) runs.rate_per_s.push_back(rate_per_s);
}

Side side_of(const Runs& runs, const std::string& name) {
  Side side;
  for (const ExperimentAnalysis& run : runs) {
    const TenantAnalysis* tenant = tenant_named(run, name);
    if (!tenant || tenant->metric_ms.empty()) continue;
    side.samples.insert(side.samples.end(), tenant->metric_ms.begin(), tenant->metric_ms.end());
    const auto index = static_cast<size_t>(tenant - run.tenants.data());
    if (run.repeats.empty())
      add_run(side.runs, median(tenant->metric_ms), mean(tenant->metric_ms), tenant->rate_per_s.value_or(0));
    for (const RepeatAnalysis& repeat : run.repeats)
      add_run(side.runs, repeat.p50_ms[index], repeat.mean_ms[index], repeat.rate_per_s[index]);
  }
  return side;
}

std::vector<double> logarithms(const std::vector<double>& values) {
  std::vector<double> result;
  for (const double value : values) result.push_back(std::log(value));
  return result;
}

FigureChange change_of(const std::vector<double>& before, const std::vector<double>& after) {
  FigureChange change;
  if (before.empty() || after.empty()) return change;
  const std::vector<double> a = logarithms(before), b = logarithms(after);
  change.before = std::exp(mean(a));
  change.after = std::exp(mean(b));
  change.shift = change.after / change.before - 1;
  if (a.size() < least_runs || b.size() < least_runs) return change;
  const MeanInterval interval = mean_difference_interval(b, a);
  change.interval = Interval{std::exp(interval.low) - 1, std::exp(interval.high) - 1};
  const double p = welch_t(b, a).p;
  change.p = std::isnan(p) ? 1 : p;  // all runs alike
  return change;
}

constexpr double most_error = 0.05;

// Returns the least; NaN where no figure has one.
double correct_figures(TenantComparison& tenant) {
  const std::array<FigureChange*, 3> figures{&tenant.median, &tenant.mean, &tenant.rate};
  std::array<double, 3> p{};
  std::ranges::transform(figures, p.begin(), [](const FigureChange* figure) {
    return figure->p.value_or(std::numeric_limits<double>::quiet_NaN());
  });
  const std::vector<double> corrected = hochberg(p);
  double least = std::numeric_limits<double>::quiet_NaN();
  for (size_t i = 0; i < figures.size(); ++i) {
    if (!figures[i]->p) continue;
    figures[i]->p_hochberg = corrected[i];
    least = std::fmin(least, corrected[i]);
  }
  return least;
}

// A figure's change as one of times: of a rate its inverse.
struct Judged {
  const FigureChange* figure;
  const char* name;
  bool is_rate;

  bool significant(double min_effect) const {
    return figure->p_hochberg && *figure->p_hochberg < most_error && std::abs(figure->shift) >= min_effect;
  }
  bool worse() const { return is_rate ? figure->shift < 0 : figure->shift > 0; }
  bool within(double min_effect) const {
    return figure->interval && figure->interval->low >= -min_effect && figure->interval->high <= min_effect;
  }
  std::string text() const { return fmt::format("{} {:+.1f}%", name, 100 * figure->shift); }
};

void judge_tenant(TenantComparison& tenant, double min_effect) {
  const std::array<Judged, 3> figures{
      {{&tenant.median, "median", false}, {&tenant.mean, "mean", false}, {&tenant.rate, "rate", true}}};
  const bool changed = tenant.p_hochberg && *tenant.p_hochberg < most_error;
  std::vector<std::string> worse, better;
  bool all_within = true;
  for (const Judged& judged : figures) {
    if (!judged.figure->p) continue;
    all_within &= judged.within(min_effect);
    if (changed && judged.significant(min_effect)) (judged.worse() ? worse : better).push_back(judged.text());
  }
  const auto conclude = [&](Change change, std::string reason) {
    tenant.change = change;
    tenant.reason = std::move(reason);
  };
  if (!tenant.median.p)
    return conclude(Change::unclear,
                    fmt::format("{}: {} runs a side tell how far runs are apart",
                                tenant.interval_from.empty() ? "too few runs" : tenant.interval_from, least_runs));
  if (all_within) return conclude(Change::same, fmt::format("all within {:.3g}%", 100 * min_effect));
  if (!worse.empty() && better.empty()) return conclude(Change::slower, fmt::format("{}", fmt::join(worse, ", ")));
  if (!better.empty() && worse.empty()) return conclude(Change::faster, fmt::format("{}", fmt::join(better, ", ")));
  if (!worse.empty())
    return conclude(Change::unclear, fmt::format("{} but {}", fmt::join(better, ", "), fmt::join(worse, ", ")));
  conclude(Change::unclear, fmt::format("median between {:+.1f}% and {:+.1f}%", 100 * tenant.median.interval->low,
                                        100 * tenant.median.interval->high));
}

TenantComparison compare_tenant(const std::string& name, const Side& before, const Side& after) {
  TenantComparison result = compare_figures(before.runs, after.runs);
  result.name = name;
  const std::vector<double> there = sorted_copy(before.samples), here = sorted_copy(after.samples);
  if (before.runs.p50_ms.size() == 1 && after.runs.p50_ms.size() == 1) {
    const auto effective = [](const std::vector<double>& samples, const std::vector<double>& sorted) {
      return effective_size_below(samples, percentile(sorted, 0.5));
    };
    if (const auto ratio =
            median_ratio_interval({here, effective(after.samples, here)}, {there, effective(before.samples, there)}))
      result.interval = Interval{ratio->low - 1, ratio->high - 1};
    result.interval_from = "this pair of runs alone";
  }
  const TestResult u = mann_whitney(here, there);
  result.cliffs_delta = cliffs_delta(u.statistic, after.samples.size(), before.samples.size());
  result.cohens_d = cohens_d(after.samples, before.samples);
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

// On which a tenant ran.
std::set<std::string> chips_of(const Runs& runs, const std::string& name) {
  std::set<std::string> chips;
  for (const ExperimentAnalysis& run : runs) {
    const TenantAnalysis* tenant = tenant_named(run, name);
    for (const PerDeviceAnalysis& device : run.devices)
      if (tenant && device.device == tenant->device && !device.uuid.empty()) chips.insert(device.uuid);
  }
  return chips;
}

// A difference between chips would pass for one between the sides.
void withhold_across_chips(Comparison& comparison, const Runs& before, const Runs& after) {
  std::set<std::string> a, b;
  std::vector<std::string> names;
  for (TenantComparison& tenant : comparison.tenants) {
    const std::set<std::string> there = chips_of(before, tenant.name), here = chips_of(after, tenant.name);
    if (there.empty() || here.empty() || there == here) continue;
    tenant.change = Change::unclear;
    tenant.reason = "measured on different chips";
    names.push_back(tenant.name);
    a.insert(there.begin(), there.end());
    b.insert(here.begin(), here.end());
  }
  if (names.empty()) return;
  const bool all = names.size() == comparison.tenants.size();
  comparison.warnings.push_back(fmt::format(
      "{}the sides were measured on different chips, {} before and {} after, which differ by themselves: nothing is "
      "concluded{}.",
      all ? "" : fmt::format("{}: ", fmt::join(names, ", ")), fmt::join(a, ", "), fmt::join(b, ", "),
      all ? ": run both on the same" : " of them: run both on the same"));
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
  if (a.surroundings && b.surroundings)
    for (const std::string& difference : differences(*a.surroundings, *b.surroundings, "before", "after"))
      comparison.warnings.push_back(difference + ".");
  for (const Runs* side : {&before, &after})
    for (const ExperimentAnalysis& run : *side) add_gaps(comparison, run);
  const auto of_runs = [](const TenantComparison& t) { return t.median.p.has_value(); };
  if (!std::ranges::all_of(comparison.tenants, of_runs))
    comparison.warnings.push_back(fmt::format(
        "fewer than {} runs a side tell nothing of how runs differ from each other: nothing is concluded: use "
        "--repeat 5 on both sides.",
        least_runs));
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

TenantComparison compare_figures(const RunFigures& before, const RunFigures& after) {
  TenantComparison result;
  result.median = change_of(before.p50_ms, after.p50_ms);
  result.mean = change_of(before.mean_ms, after.mean_ms);
  result.rate = change_of(before.rate_per_s, after.rate_per_s);
  result.interval = result.median.interval;
  result.interval_from = fmt::format("{} and {} runs", before.p50_ms.size(), after.p50_ms.size());
  return result;
}

void judge_changes(std::vector<TenantComparison>& tenants, double min_effect) {
  std::vector<double> of_tenants;
  for (TenantComparison& tenant : tenants) of_tenants.push_back(correct_figures(tenant));
  const std::vector<double> corrected = hochberg(of_tenants);
  for (size_t t = 0; t < tenants.size(); ++t) {
    if (!std::isnan(corrected[t])) tenants[t].p_hochberg = corrected[t];
    judge_tenant(tenants[t], min_effect);
  }
}

std::vector<std::string> open_questions(const Comparison& comparison) {
  std::vector<std::string> open = comparison.gaps;
  for (const TenantComparison& tenant : comparison.tenants)
    if (tenant.change == Change::unclear)
      open.push_back(
          fmt::format("{} is UNCLEAR: {:+.1f}%, {}.", tenant.name, 100 * tenant.median.shift, tenant.reason));
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
    comparison.tenants.push_back(compare_tenant(tenant.name, a, b));
  }
  for (const TenantAnalysis& tenant : after.front().tenants)
    if (!tenant_named(before.front(), tenant.name))
      add_gap(comparison, fmt::format("{} is in {} alone.", tenant.name, comparison.after));
  if (comparison.tenants.empty())
    throw usage_error(comparison.after, fmt::format("has no tenant in common with {}", comparison.before),
                      "Compare two runs of one experiment.");
  judge_changes(comparison.tenants, request.min_effect);
  withhold_across_chips(comparison, before, after);
  comparison.tokens_per_s_before = mean_tokens_per_s(before);
  comparison.tokens_per_s_after = mean_tokens_per_s(after);
  add_warnings(comparison, before, after);
  return comparison;
}

}  // namespace cotenant
