#include "workload/draws.h"

#include <cmath>

#include "base/mix64.h"
#include "workload/elementary.h"

namespace cotenant {
namespace {

constexpr uint64_t kSplitmixStep = 0x9e3779b97f4a7c15ull;

}  // namespace

Draws::Draws(uint64_t seed, Purpose purpose) : state_(mix64(mix64(seed) + static_cast<uint64_t>(purpose))) {}

uint64_t Draws::bits() {
  const uint64_t drawn = mix64(state_);
  state_ += kSplitmixStep;
  return drawn;
}

double Draws::unit() {
  return static_cast<double>((bits() >> 11) + 1) * 0x1p-53;
}

// By the high half of a product; what would make some results likelier is drawn again (Lemire 2019).
int64_t Draws::between(int64_t least, int64_t most) {
  const uint64_t count = static_cast<uint64_t>(most) - static_cast<uint64_t>(least) + 1;
  if (count == 0) return static_cast<int64_t>(bits());
  const uint64_t uneven = -count % count;
  for (;;) {
    const unsigned __int128 product = static_cast<unsigned __int128>(bits()) * count;
    if (static_cast<uint64_t>(product) >= uneven)
      return static_cast<int64_t>(static_cast<uint64_t>(least) + static_cast<uint64_t>(product >> 64));
  }
}

double Draws::exponential() {
  return -natural_log(unit());
}

// The polar method (Marsaglia, Bray 1964). Of its two results one is used, so that no state is left over.
double Draws::normal() {
  for (;;) {
    const double x = 2 * unit() - 1, y = 2 * unit() - 1;
    const double square = x * x + y * y;
    if (square > 0 && square < 1) return x * std::sqrt(-2 * natural_log(square) / square);
  }
}

// Marsaglia, Tsang 2000, and for shapes below 1 their relation to shape + 1.
double Draws::gamma(double shape) {
  if (shape < 1) {
    const double larger = gamma(shape + 1);
    return larger * cotenant::exponential(natural_log(unit()) / shape);
  }
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(), root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (natural_log(unit()) < 0.5 * (x * x) + d - d * v + d * natural_log(v)) return d * v;
  }
}

}  // namespace cotenant
