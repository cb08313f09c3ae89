#include <algorithm>
#include <array>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/error.h"
#include "stats/hypothesis_tests.h"
#include "stats/ranks.h"

namespace cotenant {
namespace {

constexpr size_t exact_up_to = 8;  // values in the smaller sample
// With 8 values against this many the number of arrangements still fits 128 bits.
constexpr size_t exact_other_up_to = 200'000;

// P(U >= u) for samples of m <= 8 and n values without ties. The numbers of arrangements with U = 0, 1, ... are the
// coefficients of the Gaussian binomial, the product over i of (1 - q^(n+i)) / (1 - q^i); all arithmetic is exact.
double exact_upper_tail(size_t m, size_t n, size_t u) {
  __extension__ using Count = unsigned __int128;
  const size_t most = m * n;
  std::vector<Count> arrangements(most + 1, 0);
  arrangements[0] = 1;
  for (size_t i = 1; i <= m; ++i) {
    for (size_t k = most + 1; k-- > n + i;) arrangements[k] -= arrangements[k - n - i];
    for (size_t k = i; k <= most; ++k) arrangements[k] += arrangements[k - i];
  }
  Count all = 0, tail = 0;
  for (size_t k = 0; k <= most; ++k) {
    all += arrangements[k];
    if (k >= u) tail += arrangements[k];
  }
  return static_cast<double>(static_cast<long double>(tail) / static_cast<long double>(all));
}

double approximate_upper_tail(double u, double m, double n, double ties) {
  const double total = m + n;
  const double deviation = std::sqrt(m * n / 12 * (total + 1 - ties / (total * (total - 1))));
  const double z = (u - m * n / 2 - 0.5) / deviation;
  return std::isnan(z) || std::isinf(z) ? (z < 0 ? 1 : 0) : cdf(complement(boost::math::normal(), z));
}

}  // namespace

TestResult kruskal(SampleSpans sorted_samples) {
  if (sorted_samples.size() < 2) throw internal_error("kruskal", "fewer than two samples");
  const RankSums ranked = rank_together(sorted_samples);
  const auto n = static_cast<double>(ranked.total);
  double h = 0;
  for (size_t s = 0; s < sorted_samples.size(); ++s)
    h += ranked.sums[s] * ranked.sums[s] / static_cast<double>(sorted_samples[s].size());
  h = 12 / (n * (n + 1)) * h - 3 * (n + 1);
  const double untied = 1 - ranked.ties / (n * n * n - n);
  if (!(untied > 0)) return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
  h /= untied;
  const boost::math::chi_squared distribution(static_cast<double>(sorted_samples.size() - 1));
  return {h, cdf(complement(distribution, std::max(h, 0.0)))};
}

TestResult mann_whitney(std::span<const double> sorted_a, std::span<const double> sorted_b) {
  if (sorted_a.empty() || sorted_b.empty()) throw internal_error("mann_whitney", "an empty sample");
  const std::array<std::span<const double>, 2> samples{sorted_a, sorted_b};
  const RankSums ranked = rank_together(samples);
  const auto na = static_cast<double>(sorted_a.size()), nb = static_cast<double>(sorted_b.size());
  const double u_a = ranked.sums[0] - na * (na + 1) / 2;
  const double larger = std::max(u_a, na * nb - u_a);
  const auto [fewer, more] = std::minmax({sorted_a.size(), sorted_b.size()});
  const bool exact = fewer <= exact_up_to && more <= exact_other_up_to && !ranked.any_tie;
  const double tail = exact ? exact_upper_tail(fewer, more, static_cast<size_t>(larger))
                            : approximate_upper_tail(larger, na, nb, ranked.ties);
  return {u_a, std::clamp(2 * tail, 0.0, 1.0)};
}

}  // namespace cotenant
