#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"

// Is the second of two runs of one experiment faster or slower? Judged by runs: one run cannot tell how far runs of the
// same thing are apart, so that every difference would be one.
namespace cotenant {

enum class Change : uint8_t { faster, slower, same, unclear };
std::string_view to_string(Change change);  // "FASTER", ...

// How one figure changed. Over several runs a side it is the geometric mean of the runs'.
struct FigureChange {
  double before = 0, after = 0;
  double shift = 0;                  // after / before - 1
  std::optional<Interval> interval;  // of the shift, 95%: Welch's, of the logarithms of the runs' figures
  std::optional<double> p;           // that it did not change: Welch's t
  std::optional<double> p_hochberg;  // the same, corrected for the figures of its tenant
};

// A figure of each run.
struct RunFigures {
  std::vector<double> p50_ms, mean_ms;  // of the chosen column
  std::vector<double> rate_per_s;       // requests; tokens/s stand as they do, since the work is the same
};

struct TenantComparison {
  std::string name;
  FigureChange median, mean, rate;
  std::optional<double> p_hochberg;  // that none of them changed, corrected for the tenants
  // Of the median's shift, 95%: of the runs, or with one run a side what this pair shows; nullopt: neither.
  std::optional<Interval> interval;
  std::string interval_from;  // "5 and 6 runs", "this pair of runs alone"
  double cliffs_delta = 0;    // of the samples: -1 all after are below all before, 1 above
  double cohens_d = 0;        // of the samples, after - before; NaN when all are equal
  Change change = Change::unclear;
  std::string reason;  // "median +12.1%", "between -3.1% and +4.2%", "1 and 1 runs: ..."
};

struct Comparison {
  std::string before, after;  // names of directories
  Metric metric = Metric::latency;
  double min_effect = 0.02;
  std::vector<TenantComparison> tenants;
  std::optional<double> tokens_per_s_before, tokens_per_s_after;  // of the device, mean over runs
  std::vector<std::string> warnings;
  // Those of the warnings that leave open whether something is slower: a tenant that is in one side alone or has no
  // samples there, a run that is incomplete or not valid.
  std::vector<std::string> gaps;
};

// Why it cannot be told whether a tenant is slower: the gaps, and each tenant whose change is UNCLEAR. Empty: it can.
std::vector<std::string> open_questions(const Comparison& comparison);

struct CompareRequest {
  // An experiment, with its repeats/ if it has any, or a directory that holds several runs of one experiment.
  std::filesystem::path before, after;
  Metric metric = Metric::latency;
  double min_effect = 0.02;  // shifts below it are not worth naming
};

// Runs a side from which on something is concluded.
constexpr size_t least_runs = 3;

// The changes of a tenant's figures, without a verdict: intervals and p where there are `least_runs` a side.
TenantComparison compare_figures(const RunFigures& before, const RunFigures& after);

// The verdicts of all tenants. SLOWER: the tenant changed, and one of its figures is worse, both at 5%, by at least
// min_effect; FASTER: better likewise; SAME: all intervals lie within min_effect of 0; else UNCLEAR, as with both. The
// mean and the rate stand beside the median, which hides a tail that grew. Fewer than `least_runs` a side: UNCLEAR.
//
// A tenant's p is the least of its figures', corrected for their number, and that is corrected for the number of
// tenants, both by Hochberg's method: a run that is slow is so in all of its figures and tenants, and these tests say
// the same rather than each its own. So no more than 5% of comparisons in which nothing changed name a tenant.
// Simulated with bench/statistics: docs/metrics.md, "How far the figures hold".
void judge_changes(std::vector<TenantComparison>& tenants, double min_effect);

// Chips of one model are apart by several percent (analysis/chips.h): where the two sides were not measured on the same
// ones, all of them on each side, every tenant is UNCLEAR and a warning says so.
//
// Throws as analyze_experiment does, and usage_error when the two have no tenant in common or a tenant's work differs.
Comparison compare_runs(const CompareRequest& request);

}  // namespace cotenant
