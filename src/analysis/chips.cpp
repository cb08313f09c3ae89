#include "analysis/chips.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace cotenant {
namespace {

constexpr int kTurns = 200;

// Cell means by group and chip, of groups that were measured on several chips.
using Cells = std::map<std::string, std::map<std::string, double>>;

// Alternates between the groups' means and the chips' offsets until they agree; each turn is a least-squares step.
std::map<std::string, double> offsets_of(const Cells& cells) {
  std::map<std::string, double> offsets;
  for (const auto& [group, chips] : cells)
    for (const auto& [chip, mean] : chips) offsets[chip] = 0;
  for (int turn = 0; turn < kTurns && !offsets.empty(); ++turn) {
    std::map<std::string, std::pair<double, double>> sums;  // of residuals; their number
    for (const auto& [group, chips] : cells) {
      double level = 0;
      for (const auto& [chip, mean] : chips) level += mean - offsets[chip];
      level /= static_cast<double>(chips.size());
      for (const auto& [chip, mean] : chips) {
        sums[chip].first += mean - level;
        sums[chip].second += 1;
      }
    }
    double mean_offset = 0;
    for (auto& [chip, offset] : offsets) mean_offset += offset = sums[chip].first / sums[chip].second;
    mean_offset /= static_cast<double>(offsets.size());
    for (auto& [chip, offset] : offsets) offset -= mean_offset;
  }
  return offsets;
}

}  // namespace

ChipSpread chip_spread(std::span<const ChipSample> samples) {
  std::map<std::string, std::map<std::string, std::vector<double>>> by_group;
  std::map<std::string, size_t> runs;
  for (const ChipSample& sample : samples) {
    if (!(sample.value > 0) || !std::isfinite(sample.value)) continue;
    by_group[sample.group][sample.chip].push_back(std::log(sample.value));
    ++runs[sample.chip];
  }
  Cells cells;
  double squares = 0;
  size_t freedom = 0;
  for (const auto& [group, chips] : by_group)
    for (const auto& [chip, logs] : chips) {
      double mean = 0;
      for (const double value : logs) mean += value;
      mean /= static_cast<double>(logs.size());
      for (const double value : logs) squares += (value - mean) * (value - mean);
      freedom += logs.size() - 1;
      if (chips.size() > 1) cells[group][chip] = mean;
    }
  ChipSpread spread;
  const std::map<std::string, double> offsets = offsets_of(cells);
  for (const auto& [chip, count] : runs) {
    ChipSpread::Chip& one = spread.chips.emplace_back(ChipSpread::Chip{chip, count, {}});
    if (const auto found = offsets.find(chip); found != offsets.end()) one.offset = std::expm1(found->second);
  }
  if (!offsets.empty()) {
    const auto [least, greatest] = std::ranges::minmax_element(
        offsets, {}, [](const std::pair<const std::string, double>& chip) { return chip.second; });
    spread.between_chips = std::expm1(greatest->second - least->second);
  }
  if (freedom > 0) spread.between_runs = std::expm1(std::sqrt(squares / static_cast<double>(freedom)));
  return spread;
}

}  // namespace cotenant
