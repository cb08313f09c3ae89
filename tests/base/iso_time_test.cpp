#include "base/iso_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

// The truth: `date -u -d '2026-11-24 15:09:27' +%s`.
TEST(IsoTime, IsReadInEverySpelling) {
  constexpr double instant = 1795532967;
  for (const char* text :
       {"2026-11-24T15:09:27Z", "2026-11-24 15:09:27", "2026-11-24t15:09:27z", "2026-11-24T15:09:27.000",
        "2026-11-24T16:09:27+01:00", "2026-11-24T07:39:27-0730", "2026-11-24T17:09:27+02"})
    EXPECT_EQ(seconds_of_iso_time(text), instant) << text;
  EXPECT_NEAR(seconds_of_iso_time("2026-11-24T15:09:27.250000+00:00").value(), instant + 0.25, 1e-6);
  EXPECT_EQ(seconds_of_iso_time("1970-01-01T00:00"), 0);
  EXPECT_EQ(seconds_of_iso_time("2000-02-29T00:00:00Z"), 951782400);
}

TEST(IsoTime, IsExactToTheNanosecond) {
  constexpr int64_t instant_ns = 1'795'532'967'000'000'000;
  EXPECT_EQ(ns_of_iso_time("2026-11-24 15:09:27.6805900"), instant_ns + 680'590'000);
  EXPECT_EQ(ns_of_iso_time("2026-11-24 16:09:27.123456789999+01:00"), instant_ns + 123'456'789);
  EXPECT_EQ(ns_of_iso_time("1969-12-31T23:59:59.25Z"), -750'000'000);
  EXPECT_FALSE(ns_of_iso_time("2262-06-01T00:00:00Z"));
  EXPECT_FALSE(ns_of_iso_time("0001-01-01T00:00:00Z"));
}

TEST(IsoTime, IsNothingElse) {
  for (const char* text :
       {"", "now", "2026", "2026-11-24", "2026-13-01T00:00:00", "2026-02-30T00:00:00", "2026-11-24T25:00:00",
        "2026-11-24T15:60:00", "2026-11-24T15:09:27 o'clock", "2026-11-24T15:09:27.", "-026-11-24T15:09:27",
        "2026-11-24T15:09:27+", "2026-11-24T15:09:27+1", "1795532967"})
    EXPECT_FALSE(seconds_of_iso_time(text)) << text;
}

}  // namespace
}  // namespace cotenant
