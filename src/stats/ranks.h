#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace cotenant {

// Sums of average ranks of several samples ranked together, the heart of the rank tests.
struct RankSums {
  std::vector<double> sums;  // of each sample
  double ties = 0;           // sum over groups of equal values of t^3 - t
  bool any_tie = false;
  size_t total = 0;
};

// Each sample ascending.
RankSums rank_together(std::span<const std::span<const double>> sorted_samples);

}  // namespace cotenant
