#include "base/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace cotenant {
namespace {

// Every half is converted to float and back.
TEST(Dtype, EveryHalfRoundTrips) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(float_to_f16(value), bits);
  }
}

TEST(Dtype, HalvesRoundToNearestEven) {
  EXPECT_EQ(float_to_f16(1.0f + 0x1p-11f), float_to_f16(1.0f));              // a tie goes to even
  EXPECT_EQ(f16_to_float(float_to_f16(1.0f + 0x1.8p-10f)), 1.0f + 0x1p-9f);  // a tie goes to even, upwards
  EXPECT_EQ(f16_to_float(float_to_f16(65519.0f)), 65504.0f);                 // largest that does not overflow
  EXPECT_TRUE(std::isinf(f16_to_float(float_to_f16(65520.0f))));
  EXPECT_EQ(f16_to_float(float_to_f16(0x1p-24f)), 0x1p-24f);  // smallest subnormal
  EXPECT_EQ(f16_to_float(float_to_f16(0x1p-25f)), 0.0f);
}

TEST(Dtype, BrainFloatsRoundToNearestEven) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float value = bf16_to_float(static_cast<uint16_t>(bits));
    if (std::isnan(value)) continue;
    EXPECT_EQ(float_to_bf16(value), bits);
  }
  EXPECT_EQ(float_to_bf16(1.0f + 0x1p-8f), float_to_bf16(1.0f));
  EXPECT_TRUE(std::isnan(bf16_to_float(float_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace cotenant
