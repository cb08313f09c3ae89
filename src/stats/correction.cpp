#include "stats/correction.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace cotenant {
namespace {

std::vector<size_t> defined(std::span<const double> p) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < p.size(); ++i)
    if (!std::isnan(p[i])) indices.push_back(i);
  return indices;
}

}  // namespace

std::vector<double> holm(std::span<const double> p) {
  std::vector<double> corrected(p.size(), std::numeric_limits<double>::quiet_NaN());
  std::vector<size_t> order = defined(p);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] < p[b]; });
  double at_least = 0;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    at_least = std::max(at_least, std::min(1.0, p[order[rank]] * static_cast<double>(order.size() - rank)));
    corrected[order[rank]] = at_least;
  }
  return corrected;
}

}  // namespace cotenant
