#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace cotenant {

// One figure of one run. Runs of one group measured the same thing.
struct ChipSample {
  std::string group, chip;
  double value = 0;  // positive
};

// How far chips of one model are apart, beside how far runs on one chip are.
//
// The logarithm of a figure is its group's mean, plus its chip's offset, plus what is the run's own. Offsets are least
// squares of the cell means of groups that were measured on two chips at least (a two-way layout without interaction,
// solved by turns; Scheffé, The Analysis of Variance, 1959, ch. 4), and sum to 0 over the chips. Between runs: the
// standard deviation about the mean of a group on a chip, pooled.
struct ChipSpread {
  struct Chip {
    std::string name;
    size_t runs = 0;
    std::optional<double> offset;  // of its figures to the mean of all chips: 0.02 is 2% above; nullopt: not comparable
  };
  std::vector<Chip> chips;              // by name
  std::optional<double> between_chips;  // of the greatest offset to the least: 0.04 is 4%
  std::optional<double> between_runs;   // on one chip, relative; nullopt: none measured anything twice on one chip
};

ChipSpread chip_spread(std::span<const ChipSample> samples);

}  // namespace cotenant
