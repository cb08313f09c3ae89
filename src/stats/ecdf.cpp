#include "stats/ecdf.h"

#include "base/error.h"

namespace cotenant {

Ecdf ecdf(std::span<const double> sorted) {
  if (sorted.empty()) throw internal_error("ecdf", "empty sample");
  Ecdf steps;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i + 1 < sorted.size() && sorted[i + 1] == sorted[i]) continue;
    steps.values.push_back(sorted[i]);
    steps.fraction.push_back(static_cast<double>(i + 1) / static_cast<double>(sorted.size()));
  }
  return steps;
}

}  // namespace cotenant
