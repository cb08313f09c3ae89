#pragma once

#include <optional>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/baseline.h"

// How much of what a tenant does alone it still does beside the others, and who takes from whom.
namespace cotenant {

constexpr double verdict_ratio = 1.15;         // progress over the geometric mean of all
constexpr double study_verdict_points = 0.15;  // slowdown off the mean slowdown
constexpr size_t least_blocks = 30;            // of a bootstrap on which a verdict may rest
constexpr size_t least_repeats = 5;

// Fills baseline, progress, the slowdowns and their intervals of one tenant.
void set_progress(TenantAnalysis& tenant, const LoadedTenant& loaded, const Baseline& baseline, Metric metric,
                  uint64_t seed);

// Fills relative progress with its interval, the verdicts, STP and ANTT, once all tenants have their progress. Where
// there are enough repeats progress becomes their mean, with Student's interval; else intervals are by a block
// bootstrap of the times between completions. `loaded` and `baselines` are in the order of the tenants.
void judge(ExperimentAnalysis& analysis, const std::vector<LoadedTenant>& loaded,
           const std::vector<std::optional<Baseline>>& baselines, uint64_t seed);

// hogging: above verdict_ratio with an interval above 1; starved: likewise below; unclear: beyond it with an interval
// that holds 1, or without an interval; else fair.
Verdict verdict_of(double relative_progress, const std::optional<Interval>& interval);

// The study's rule over all tenants' slowdowns.
Verdict study_verdict_of(double slowdown, double mean_slowdown);

}  // namespace cotenant
