#include "sharing/green.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace cotenant {
namespace {

[[noreturn]] void throw_too_many(size_t tenants, int groups) {
  throw usage_error("sharing.mode green",
                    fmt::format("{} tenants with such shares, and the device divides into {} groups", tenants, groups),
                    "Use fewer tenants or smaller sm_percent, or sharing.mode: mps.");
}

}  // namespace

std::vector<int> divide_groups(std::span<const std::optional<double>> sm_percent, int groups) {
  double sum = 0;
  int without_share = 0;
  for (const auto& percent : sm_percent) {
    sum += percent.value_or(0);
    without_share += !percent;
  }
  if (sum > 100 + 1e-9)
    throw usage_error(
        "sharing.mode green", fmt::format("the tenants' sm_percent add up to {:g}, at most 100", sum),
        "A partition belongs to one tenant: lower them, or use sharing.mode: mps, whose shares are caps.");
  std::vector<int> parts(sm_percent.size(), 0);
  const auto exact = [&](size_t i) { return *sm_percent[i] / 100 * groups; };
  for (size_t i = 0; i < parts.size(); ++i)
    if (sm_percent[i]) parts[i] = std::max(1, static_cast<int>(std::lround(exact(i))));
  // Rounding can ask for more than there is: whoever gained most gives a group back.
  while (std::accumulate(parts.begin(), parts.end(), 0) + without_share > groups) {
    size_t largest_gain = parts.size();
    for (size_t i = 0; i < parts.size(); ++i) {
      if (!sm_percent[i] || parts[i] == 1) continue;
      if (largest_gain == parts.size() || parts[i] - exact(i) > parts[largest_gain] - exact(largest_gain))
        largest_gain = i;
    }
    if (largest_gain == parts.size()) throw_too_many(parts.size(), groups);
    --parts[largest_gain];
  }
  const int left = groups - std::accumulate(parts.begin(), parts.end(), 0);
  for (size_t i = 0; i < parts.size(); ++i)
    if (!sm_percent[i]) parts[i] = left / without_share;
  return parts;
}

}  // namespace cotenant
