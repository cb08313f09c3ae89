#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/compare.h"
#include "made_data.h"

// One cell of the table: a kind of data and a size, made many times; how often an interval was given and held the
// truth, and what was concluded.
namespace cotenant::made {

struct Coverage {
  size_t asked = 0, given = 0, covered = 0;

  void add(const std::optional<Interval>& interval, double truth);
  double share() const { return given ? static_cast<double>(covered) / static_cast<double>(given) : 0; }
};

struct PercentileCoverage {
  Coverage p50, p95, p99;
};
PercentileCoverage percentile_coverage(Kind kind, size_t n, size_t replicates, uint64_t seed);

struct WorkCoverage {
  Coverage progress, slowdown, relative, stp;  // per tenant, but for STP
};
WorkCoverage work_coverage(const Plan& plan, size_t replicates, uint64_t seed);

struct VerdictCounts {
  size_t tenants = 0, experiments = 0;
  std::map<Verdict, size_t> of_tenants, of_first;  // of all; of the first tenant alone
  std::map<Verdict, size_t> of_study;
  size_t experiments_with_unfair = 0;

  double share(Verdict verdict) const;
  double answered() const { return 1 - share(Verdict::unclear); }
};
VerdictCounts verdicts(const Plan& plan, size_t replicates, uint64_t seed);

// Equal tenants with one baseline among them.
Plan equal_tenants(Kind kind, size_t tenants, size_t requests, bool own_baselines = false);

// Three tenants, of which the first stands at `relative` of the geometric mean of all.
Plan unequal_tenants(Kind kind, double relative, size_t requests);

struct WarmupCounts {
  size_t sequences = 0, warmups = 0, changes = 0;
};
// `slow_until`: the share of the sequence at its beginning that takes `slow_by` times as long.
WarmupCounts late_warmups(Kind kind, size_t n, double slow_until, double slow_by, size_t replicates, uint64_t seed);

struct ChangeCounts {
  size_t comparisons = 0;  // of two tenants
  std::map<Change, size_t> of_tenants;
  size_t comparisons_with_change = 0;
};
// Runs whose speeds differ from each other by `run_spread` (deviation of the logarithm, of all tenants alike), each of
// which knows its figures to 0.5%; all requests of the second side take `shift` longer.
ChangeCounts changes(size_t runs_a_side, double run_spread, double shift, size_t replicates, uint64_t seed);

// Repeated runs of equal tenants, against one baseline for all or one for each run.
WorkCoverage repeat_coverage(size_t runs, size_t tenants, double run_spread, bool own_baselines, size_t replicates,
                             uint64_t seed);

}  // namespace cotenant::made
