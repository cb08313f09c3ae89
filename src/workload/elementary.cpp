#include "workload/elementary.h"

#include <cmath>
#include <limits>

namespace cotenant {
namespace {

// ln 2 in two parts, the first with so many zeros at its end that its product with an exponent is exact (as in fdlibm,
// Sun Microsystems 1993).
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kLog2E = 0x1.71547652b82fep+0;
constexpr double kSqrtHalf = 0x1.6a09e667f3bcdp-1;

}  // namespace

// x = m 2^e with m around 1, and log m = 2 artanh((m - 1) / (m + 1)) by its series: its argument is at most 0.172, so
// that the terms left out are below 2^-60.
double natural_log(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);
  if (m < kSqrtHalf) {
    m *= 2;
    --exponent;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double series = 0;
  for (int n = 23; n >= 3; n -= 2) series = (series + 1.0 / n) * square;
  return exponent * kLn2High + (2 * s + (2 * s * series + exponent * kLn2Low));
}

// x = k ln 2 + r, and exp r by its series: |r| is at most 0.347, so that the terms left out are below 2^-60.
double exponential(double x) {
  if (x < -746) return 0;
  if (x > 710) return std::numeric_limits<double>::infinity();
  const double k = std::floor(x * kLog2E + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double series = 1;
  for (int n = 15; n >= 2; --n) series = 1 + series * r / n;
  return std::ldexp(1 + series * r, static_cast<int>(k));
}

}  // namespace cotenant
