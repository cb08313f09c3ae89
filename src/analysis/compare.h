#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"

// Is the second of two runs of one experiment faster or slower? Judged by the median of the chosen column, per tenant.
namespace cotenant {

enum class Change : uint8_t { faster, slower, same, unclear };
std::string_view to_string(Change change);  // "FASTER", ...

struct TenantComparison {
  std::string name;
  double before_ms = 0, after_ms = 0;  // medians; over several runs the geometric mean of the runs' medians
  double shift = 0;                    // after / before - 1
  std::optional<Interval> interval;    // of the shift, 95%; nullopt: too few blocks and too few runs
  std::string interval_from;           // "5 and 6 runs", "block bootstrap"
  double cliffs_delta = 0;             // of the samples: -1 all after are below all before, 1 above
  double cohens_d = 0;                 // of the samples, after - before; NaN when all are equal
  Change change = Change::unclear;
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
  uint64_t seed = 0;
};

// faster or slower: the interval excludes 0 and the shift is at least min_effect; same: the interval lies within
// min_effect of 0; else unclear, and always without an interval.
Change judge_shift(double shift, const std::optional<Interval>& interval, double min_effect);

// Throws as analyze_experiment does, and usage_error when the two have no tenant in common or a tenant's work differs.
Comparison compare_runs(const CompareRequest& request);

}  // namespace cotenant
