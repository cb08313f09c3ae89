#include "base/text.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(Nearest, FindsTheMisspeltWordAndNotAStranger) {
  const std::vector<std::string> keys{"batch_size", "seq_len", "num_iters", "num_warmup"};
  EXPECT_EQ(nearest("batchsize", keys), std::vector<std::string>{"batch_size"});
  EXPECT_EQ(nearest("num_iter", keys), std::vector<std::string>{"num_iters"});
  EXPECT_TRUE(nearest("colour", keys).empty());
}

TEST(Format, Bytes) {
  EXPECT_EQ(format_bytes(12), "12 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(16320875725), "15.2 GiB");
}

TEST(Format, Durations) {
  EXPECT_EQ(format_duration_s(0.95), "950 ms");
  EXPECT_EQ(format_duration_s(12.34), "12.3 s");
  EXPECT_EQ(format_duration_s(125), "2 min 5 s");
}

TEST(Format, FiguresOfAnySize) {
  EXPECT_EQ(format_fixed(3.2149, 2), "3.21");
  EXPECT_EQ(format_fixed(-123456.789, 1), "-123456.8");
  EXPECT_EQ(format_fixed(2.1e300, 2), "2.1e+300");
  EXPECT_EQ(format_fixed(-1e15, 0), "-1e+15");
  EXPECT_EQ(format_count(7.24e9), "7.24B");
  EXPECT_EQ(format_count(1e300), "1e+291B");
  EXPECT_EQ(format_count(-82e6), "-82.0M");
}

}  // namespace
}  // namespace cotenant
