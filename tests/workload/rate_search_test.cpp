#include "workload/rate_search.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

// Searches where what is up to `limit` is carried; returns the number of tries.
int search(RateSearch& search, double limit) {
  int tries = 0;
  while (const auto multiple = search.next()) {
    search.note(*multiple, *multiple <= limit);
    if (++tries > 100) break;
  }
  return tries;
}

TEST(RateSearch, EndsWithinItsFactorWhereverTheLimitIs) {
  for (const double limit : {0.0011, 0.3, 0.999, 1.0, 1.7, 2.0, 37.5, 1000.0}) {
    RateSearch found(1.05);
    const int tries = search(found, limit);
    ASSERT_TRUE(found.highest() && found.lowest_above()) << limit;
    EXPECT_LE(*found.highest(), limit);
    EXPECT_GT(*found.lowest_above(), limit);
    EXPECT_LE(*found.lowest_above() / *found.highest(), 1.05);
    EXPECT_LE(tries, 2 + 10 + 4) << limit;  // to 1024 in ten doublings, then log2(log 2 / log 1.05) = 3.8 bisections
  }
}

TEST(RateSearch, GivesUpWhereNothingOrEverythingIsCarried) {
  RateSearch nothing;
  EXPECT_EQ(search(nothing, 0), 11);
  EXPECT_FALSE(nothing.highest());
  EXPECT_DOUBLE_EQ(nothing.lowest_above().value(), 1.0 / 1024);
  RateSearch everything;
  EXPECT_EQ(search(everything, 1e9), 11);
  EXPECT_FALSE(everything.lowest_above());
  EXPECT_DOUBLE_EQ(everything.highest().value(), 1024);
}

}  // namespace
}  // namespace cotenant
