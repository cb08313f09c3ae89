#include "analysis/batches.h"

#include <algorithm>
#include <cmath>

namespace cotenant {

std::optional<size_t> batch_count(double fewest_requests) {
  constexpr size_t most = 20, least = 8;
  const auto parts = static_cast<size_t>(std::clamp(std::floor(fewest_requests / 2), 0.0, static_cast<double>(most)));
  return parts >= least ? std::optional(parts) : std::nullopt;
}

std::vector<double> requests_by_part(const LoadedTenant& tenant, const std::optional<WindowRecord>& window,
                                     size_t parts) {
  const Samples& samples = tenant.samples;
  const WindowRecord whole = window.value_or(WindowRecord{tenant.tally.first_start_s(), tenant.tally.last_end_s()});
  const double part_s = whole.duration_s() / static_cast<double>(parts);
  if (samples.end_s.empty() || !(part_s > 0)) return {};
  const auto part_of = [&](double at_s) {
    return static_cast<size_t>(std::clamp((at_s - whole.start_s) / part_s, 0.0, static_cast<double>(parts - 1)));
  };
  std::vector<double> requests(parts, 0);
  for (size_t i = 0; i < samples.end_s.size(); ++i) {
    const double start_s = samples.start_s[i], end_s = samples.end_s[i];
    const double from_s = std::max(start_s, whole.start_s), to_s = std::min(end_s, whole.end_s);
    if (!(to_s >= from_s)) continue;  // outside, or a time is missing
    const size_t first = part_of(from_s), last = part_of(to_s);
    if (first == last) {
      requests[first] += end_s > start_s ? (to_s - from_s) / (end_s - start_s) : 1;
      continue;
    }
    for (size_t part = first; part <= last; ++part) {
      const double begin_s = whole.start_s + part_s * static_cast<double>(part);
      const double inside_s = std::min(to_s, part == last ? to_s : begin_s + part_s) - std::max(from_s, begin_s);
      requests[part] += inside_s / (end_s - start_s);
    }
  }
  const bool any = std::ranges::any_of(requests, [](double part) { return part > 0; });
  return any ? requests : std::vector<double>{};
}

std::vector<double> contrast_of(const RelativeRates& rates, std::span<const double> weights) {
  std::vector<double> contrast(rates.front().size(), 0);
  for (size_t t = 0; t < rates.size(); ++t)
    for (size_t part = 0; part < contrast.size(); ++part) contrast[part] += weights[t] * rates[t][part];
  return contrast;
}

}  // namespace cotenant
