#include "stats/ranks.h"

namespace cotenant {

RankSums rank_together(std::span<const std::span<const double>> sorted_samples) {
  RankSums result;
  result.sums.assign(sorted_samples.size(), 0);
  std::vector<size_t> next(sorted_samples.size(), 0), taken(sorted_samples.size(), 0);
  for (;;) {
    const double* least = nullptr;
    for (size_t s = 0; s < sorted_samples.size(); ++s) {
      if (next[s] == sorted_samples[s].size()) continue;
      const double* head = &sorted_samples[s][next[s]];
      if (least == nullptr || *head < *least) least = head;
    }
    if (least == nullptr) return result;
    const double value = *least;
    size_t tied = 0;
    for (size_t s = 0; s < sorted_samples.size(); ++s) {
      taken[s] = 0;
      while (next[s] < sorted_samples[s].size() && sorted_samples[s][next[s]] == value) ++next[s], ++taken[s];
      tied += taken[s];
    }
    const double rank = static_cast<double>(result.total) + (static_cast<double>(tied) + 1) / 2;
    for (size_t s = 0; s < sorted_samples.size(); ++s) result.sums[s] += rank * static_cast<double>(taken[s]);
    const auto t = static_cast<double>(tied);
    result.ties += t * t * t - t;
    result.any_tie |= tied > 1;
    result.total += tied;
  }
}

}  // namespace cotenant
