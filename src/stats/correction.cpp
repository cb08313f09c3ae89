#include "stats/correction.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cotenant {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

// Where the defined ones are, the least first.
std::vector<size_t> ascending(std::span<const double> p) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) indices.push_back(i);
  std::stable_sort(indices.begin(), indices.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  return indices;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  std::vector<double> corrected(p.size(), undefined);
  const std::vector<size_t> order = ascending(p);
  double at_least = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    at_least = std::max(at_least, std::min(1.0, p[order[rank]] * static_cast<double>(order.size() - rank)));
    corrected[order[rank]] = at_least;
  }
  return corrected;
}

std::vector<double> hochberg(std::span<const double> p) {
  std::vector<double> corrected(p.size(), undefined);
  const std::vector<size_t> order = ascending(p);
  double at_most = 1;
  for (size_t rank = order.size(); rank-- > 0;) {
    at_most = std::min(at_most, p[order[rank]] * static_cast<double>(order.size() - rank));
    corrected[order[rank]] = at_most;
  }
  return corrected;
}

}  // namespace cotenant
