#include "workload/arrivals.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cotenant {
namespace {

constexpr double kEndOfTimeNs = 4e18;  // 126 years

double requests_in(const OpenLoop::Part& part) {
  return 0.5 * (part.from + part.to) * part.duration_s;
}

// When so many requests are expected at a rate r: expected = r t.
double at_rate_ns(double expected, double rate) {
  return expected * 1e9 / rate;
}

// The same from the start of a part whose rate changes from a to b in d: expected = a t + (b - a) / d t^2 / 2, solved
// so that nothing cancels.
double within_ns(double expected, const OpenLoop::Part& part) {
  if (part.from == part.to) return at_rate_ns(expected, part.from);
  if (expected == 0) return 0;
  const double slope = (part.to - part.from) / part.duration_s;
  const double root = std::sqrt(std::max(0.0, part.from * part.from + 2 * slope * expected));
  return std::min(2 * expected / (part.from + root), part.duration_s) * 1e9;
}

}  // namespace

OpenInstants::OpenInstants(OpenLoop loop, uint64_t seed)
    : loop_(std::move(loop)), draws_(seed, Draws::Purpose::arrivals) {}

double OpenInstants::gap() {
  const bool first = std::exchange(first_, false);
  if (loop_.cv == 0) return first ? 0 : 1;
  if (loop_.cv == 1) return draws_.exponential();
  const double variance = loop_.cv * loop_.cv;
  return draws_.gamma(1 / variance) * variance;
}

void OpenInstants::leave_part() {
  expected_before_ += requests_in(loop_.parts[part_]);
  part_begin_ns_ += std::llround(loop_.parts[part_].duration_s * 1e9);
  ++part_;
}

std::optional<int64_t> OpenInstants::next_ns() {
  if (over_) return std::nullopt;
  expected_ += gap();
  while (part_ + 1 < loop_.parts.size() && expected_ - expected_before_ >= requests_in(loop_.parts[part_]))
    leave_part();
  const OpenLoop::Part& part = loop_.parts[part_];
  const double left = expected_ - expected_before_, in_part = requests_in(part);
  const double offset_ns = left < in_part || part.from == part.to
                               ? within_ns(left, part)
                               : part.duration_s * 1e9 + at_rate_ns(left - in_part, part.to);
  over_ = !(static_cast<double>(part_begin_ns_) + offset_ns < kEndOfTimeNs);  // also where a rate of 0 gives no number
  return over_ ? std::nullopt : std::optional(part_begin_ns_ + std::llround(offset_ns));
}

}  // namespace cotenant
