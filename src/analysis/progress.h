#pragma once

#include <optional>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/baseline.h"

// How much of what a tenant does alone it still does beside the others, and who takes from whom.
namespace cotenant {

constexpr double verdict_ratio = 1.15;         // progress over the geometric mean of all
constexpr double study_verdict_points = 0.15;  // slowdown off the mean slowdown
constexpr size_t least_repeats = 3;            // of which intervals are made

// Fills baseline, progress, the slowdowns and their intervals of one tenant.
void set_progress(TenantAnalysis& tenant, const LoadedTenant& loaded, const Baseline& baseline, Metric metric);

// Fills progress with its interval, relative progress with its interval, the verdicts, STP and ANTT, once all tenants
// have their progress. `baselines` are in the order of the tenants.
//
// Every interval is that of the logarithm of a product of progresses, sum over t of w_t x log(progress_t): w is 1 for a
// tenant's own progress, the tenant less the mean of all for its relative progress, progress_t / STP for STP. Its
// variance has two kinds of parts. Of the shared run: the contrast of the relative rates in equal parts of the window
// (analysis/batches.h), so that what all tenants have in common in one part cancels; how much parts resemble their
// neighbours is taken from all tenants' contrasts together where they are set against their mean. Of the baselines:
// each distinct one once, with the sum of the weights of the tenants that use it, which is 0 where equal tenants are
// set against each other. From `least_repeats` runs on, runs take the place of parts, progress becomes their mean, and
// a baseline that several runs share adds the spread of one run, because one run alone cannot tell how runs differ.
//
// Simulated with bench/statistics: see docs/metrics.md, "How far the figures hold".
void judge(ExperimentAnalysis& analysis, const LoadedExperiment& experiment,
           const std::vector<std::optional<Baseline>>& baselines);

// hogging: above verdict_ratio, and `guarded` lies above 1; starved: likewise below; fair: all of `cautious` lies
// within verdict_ratio of 1; else, and without intervals, unclear. `cautious` is at 97%, so that of tenants which stand
// at 1.2 or 0.83 no more than 1% are called fair, in whatever kind of data; `guarded` at 1 - 2.5% / tenants.
Verdict verdict_of(double relative_progress, const std::optional<Interval>& cautious,
                   const std::optional<Interval>& guarded);

// The study's rule over all tenants' slowdowns. It knows no intervals: where samples are few, or some wait, it calls
// equal tenants unfair.
Verdict study_verdict_of(double slowdown, double mean_slowdown);

}  // namespace cotenant
