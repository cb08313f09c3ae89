#include "workload/paced_loop.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(PacedLoop, IsDueOnePeriodAfterTheLastOneWasDue) {
  PacedLoop loop(100, 1000);
  EXPECT_EQ(loop.next_ns(990), 1000);
  EXPECT_EQ(loop.next_ns(1030), 1100);  // not 1130: how long a request took does not move the next one
  EXPECT_EQ(loop.next_ns(1199), 1200);
}

TEST(PacedLoop, IsDueAtOnceAfterALateRequestAndDoesNotCatchUp) {
  PacedLoop loop(100, 1000);
  EXPECT_EQ(loop.next_ns(1000), 1000);
  EXPECT_EQ(loop.next_ns(1450), 1450);  // was due at 1100; what was due at 1200, 1300 and 1400 is gone
  EXPECT_EQ(loop.next_ns(1460), 1550);
  EXPECT_EQ(loop.next_ns(1560), 1650);
}

TEST(PacedLoop, StartsAtOnceWhenItsFirstInstantHasPassed) {
  PacedLoop loop(100, 1000);
  EXPECT_EQ(loop.next_ns(1020), 1020);
  EXPECT_EQ(loop.next_ns(1030), 1120);
}

}  // namespace
}  // namespace cotenant
