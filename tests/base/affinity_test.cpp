#include "base/affinity.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/error.h"
#include "base/open_files.h"

namespace cotenant {
namespace {

TEST(Affinity, IsWhatTheThreadWasConfinedTo) {
  const std::vector<int> all = affinity();
  ASSERT_FALSE(all.empty());
  EXPECT_TRUE(std::ranges::is_sorted(all));
  std::thread([&] {
    set_affinity({all.back()});
    EXPECT_EQ(affinity(), std::vector<int>{all.back()});
  }).join();
  EXPECT_EQ(affinity(), all);  // of that thread alone
}

// More than cpu_set_t holds: a CPU that is not there is refused, one that is there is taken beside it.
TEST(Affinity, KnowsCpusBeyondAThousand) {
  std::thread([] {
    const std::vector<int> all = affinity();
    EXPECT_THROW(set_affinity({5000}), Error);
    set_affinity({all.front(), 5000});
    EXPECT_EQ(affinity(), std::vector<int>{all.front()});
  }).join();
}

TEST(OpenFiles, TheLimitIsRaisedAsFarAsItMayBe) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(most_open_files(), before.rlim_max);
  const auto soft = [] {
    rlimit now{};
    ::getrlimit(RLIMIT_NOFILE, &now);
    return now.rlim_cur;
  };
  rlimit low = before;
  low.rlim_cur = 64;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  allow_open_files(32);
  EXPECT_EQ(soft(), 64u);  // it is never lowered
  allow_open_files(100);
  EXPECT_EQ(soft(), std::min<rlim_t>(100, before.rlim_max));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace cotenant
