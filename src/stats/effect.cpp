#include "stats/effect.h"

#include <cmath>

#include "base/error.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

// How many of the differences a_i - b_j are <= x. For ascending i the count of large enough b only shrinks.
size_t differences_up_to(std::span<const double> a, std::span<const double> b, double x) {
  size_t count = 0, first = 0;  // first: the least j with a_i - b_j <= x
  for (const double value : a) {
    while (first < b.size() && value - b[first] > x) ++first;
    count += b.size() - first;
  }
  return count;
}

// The k-th smallest difference, k from 1.
double kth_difference(std::span<const double> a, std::span<const double> b, size_t k) {
  double high = a.back() - b.front(), low = a.front() - b.back();
  if (differences_up_to(a, b, low) >= k) return low;
  for (;;) {  // the k-th lies in (low, high]
    const double middle = low + (high - low) / 2;
    if (!(middle > low && middle < high)) return high;
    (differences_up_to(a, b, middle) >= k ? high : low) = middle;
  }
}

}  // namespace

double cohens_d(std::span<const double> a, std::span<const double> b) {
  return (mean(a) - mean(b)) / std::sqrt((population_variance(a) + population_variance(b)) / 2);
}

double rank_biserial(double u_a, size_t n_a, size_t n_b) {
  return 1 - 2 * u_a / (static_cast<double>(n_a) * static_cast<double>(n_b));
}

double cliffs_delta(double u_a, size_t n_a, size_t n_b) {
  return -rank_biserial(u_a, n_a, n_b);
}

double hodges_lehmann(std::span<const double> sorted_a, std::span<const double> sorted_b) {
  if (sorted_a.empty() || sorted_b.empty()) throw internal_error("hodges_lehmann", "an empty sample");
  const size_t pairs = sorted_a.size() * sorted_b.size();
  const double upper = kth_difference(sorted_a, sorted_b, pairs / 2 + 1);
  return pairs % 2 == 1 ? upper : (kth_difference(sorted_a, sorted_b, pairs / 2) + upper) / 2;
}

}  // namespace cotenant
