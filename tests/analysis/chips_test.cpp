#include "analysis/chips.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cotenant {
namespace {

double offset_of(const ChipSpread& spread, const std::string& name) {
  for (const ChipSpread::Chip& chip : spread.chips)
    if (chip.name == name) return chip.offset.value_or(NAN);
  return NAN;
}

// Values made of a level for each group and a factor for each chip: the factors come out, whatever was measured where.
TEST(Chips, OffsetsAreFoundInAnIncompleteLayout) {
  const std::pair<const char*, double> chips[] = {{"A", 0.98}, {"B", 1.00}, {"C", 1.04}};
  std::vector<ChipSample> samples;
  for (int group = 0; group < 6; ++group)
    for (int chip = 0; chip < 3; ++chip)
      if (group % 3 != chip)  // each group on two of them
        samples.push_back({"g" + std::to_string(group), chips[chip].first, (1 + group) * chips[chip].second});
  const ChipSpread spread = chip_spread(samples);
  ASSERT_TRUE(spread.between_chips);
  EXPECT_NEAR(*spread.between_chips, 1.04 / 0.98 - 1, 1e-9);
  const double mean = std::cbrt(0.98 * 1.00 * 1.04);
  EXPECT_NEAR(offset_of(spread, "A"), 0.98 / mean - 1, 1e-9);
  EXPECT_NEAR(offset_of(spread, "C"), 1.04 / mean - 1, 1e-9);
  EXPECT_FALSE(spread.between_runs);  // nothing was measured twice on one chip
}

TEST(Chips, TheSpreadBetweenRunsIsPooled) {
  const double up = std::exp(0.01), down = std::exp(-0.01);
  const ChipSpread spread = chip_spread(
      std::vector<ChipSample>{{"g", "A", 2 * up}, {"g", "A", 2 * down}, {"h", "B", 5 * up}, {"h", "B", 5 * down}});
  ASSERT_TRUE(spread.between_runs);  // sum of squares 4 x 0.01^2, 2 degrees of freedom
  EXPECT_NEAR(*spread.between_runs, std::expm1(0.01 * std::sqrt(2)), 1e-9);
  EXPECT_FALSE(spread.between_chips);  // no group was on both
  EXPECT_EQ(spread.chips.size(), 2U);
}

TEST(Chips, ValuesThatAreNoneAreLeftOut) {
  const ChipSpread spread = chip_spread(std::vector<ChipSample>{{"g", "A", 0}, {"g", "B", NAN}});
  EXPECT_TRUE(spread.chips.empty());
  EXPECT_FALSE(spread.between_chips);
}

}  // namespace
}  // namespace cotenant
