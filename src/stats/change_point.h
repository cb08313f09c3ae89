#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>

namespace cotenant {

struct LateWarmup {
  size_t settled_after = 0;  // values before this index belong to another level
  double shift = 0;          // (median before - median after) / median after
  bool early = true;         // within the first quarter; else it is a change in the middle rather than a warm-up
};

// Was the beginning not yet the steady state? The logarithms of the medians of 20 equal blocks are cut after the first
// 1 to 10 of them; the cut with the least p is told when that p, times the 10 cuts (Bonferroni), is below 0.5%, or
// below 5% where the levels differ by a factor of two, and the shift is at least `least_shift`. Blocks on one side of
// the cut resemble their neighbours by r (neighbours_correlation of stats/autocorrelation.h, at most 0.8: 20 blocks do
// not tell more from a drift). The mean of p blocks then has s^2 / p (1 + 2 sum over k < p of (1 - k / p) r^k), and t
// as many fewer than 18 degrees as that makes the difference's variance larger. nullopt for fewer than 100 values,
// whose blocks are too small for a median, and where a block's median is not positive. Simulated with bench/statistics:
// docs/metrics.md, "How far the figures hold".
std::optional<LateWarmup> late_warmup(std::span<const double> values, double least_shift = 0.05);

// The same of `count` values that are not held: `values` calls its argument with each, in order, as often as it is
// called itself; it does so some twelve times. Holds none of them.
using Sequence = std::function<void(const std::function<void(double)>&)>;
std::optional<LateWarmup> late_warmup(const Sequence& values, size_t count, double least_shift = 0.05);

}  // namespace cotenant
