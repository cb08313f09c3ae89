#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace cotenant {

struct ChangePoint {
  size_t first_after = 0;  // index of the first value of the later part
  double statistic = 0;    // Pettitt's K
  double p = 0;            // approximate, assumes independent values
};

// Where a sequence most likely changes its level: Pettitt's rank test (Applied Statistics 28, 1979), K = max over t of
// |2 x (sum of the first t ranks) - t (n + 1)|, p = 2 exp(-6 K^2 / (n^3 + n^2)). nullopt for fewer than 4 values.
std::optional<ChangePoint> change_point(std::span<const double> values);

struct LateWarmup {
  size_t settled_after = 0;  // values before this index belong to another level
  double shift = 0;          // (median before - median after) / median after
};

// Was the beginning not yet the steady state? Looks for a change of level in the first half, over the medians of at
// most 200 blocks, so that the similarity of neighbours does not pass for a change. Reports one with p < 0.001 and a
// shift of at least `least_shift`. Needs 40 values.
std::optional<LateWarmup> late_warmup(std::span<const double> values, double least_shift = 0.05);

}  // namespace cotenant
