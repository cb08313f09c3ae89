#include "base/mix64.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

// The first outputs of splitmix64 from the seed 1234567, as its authors' C program prints them
// (https://prng.di.unimi.it/splitmix64.c): the state grows by a constant, and mix64 is its finaliser.
TEST(Mix64, IsSplitmix64) {
  const uint64_t step = 0x9e3779b97f4a7c15ull;
  EXPECT_EQ(mix64(1234567), 6457827717110365317ull);
  EXPECT_EQ(mix64(1234567 + step), 3203168211198807973ull);
  EXPECT_EQ(mix64(1234567 + 2 * step), 9817491932198370423ull);
}

}  // namespace
}  // namespace cotenant
