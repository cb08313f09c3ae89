#pragma once

#include <span>
#include <vector>

namespace cotenant {

// The empirical distribution function as steps: at values[i], ascending and distinct, it rises to fraction[i].
struct Ecdf {
  std::vector<double> values, fraction;
};

// `sorted` ascending, not empty.
Ecdf ecdf(std::span<const double> sorted);

}  // namespace cotenant
