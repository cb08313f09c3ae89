#include "driver/ring_size.h"

#include <gtest/gtest.h>

#include <bit>

#include "process/event_ring.h"

namespace cotenant {
namespace {

constexpr uint64_t kMiB = 1 << 20;

TEST(RingSize, AllRingsOfARunShareTheirMemory) {
  for (const size_t tenants : {1, 2, 8, 9, 32, 64}) {
    const uint64_t words = ring_words({}, tenants);
    EXPECT_TRUE(std::has_single_bit(words));
    EXPECT_LE(words * 8, 4 * kMiB) << tenants;
    EXPECT_LE(words * 8 * tenants, 32 * kMiB) << tenants;
    EXPECT_GE(words / EventRing::event_words, 5957u) << tenants;
  }
  EXPECT_EQ(ring_words({}, 8), 1u << 19);
  EXPECT_EQ(ring_words({}, 1000), 1u << 16);  // never less
}

TEST(RingSize, RequestsThatEndAtOnceFit) {
  TenantOrder order;
  order.max_new_tokens = 4000;
  EXPECT_GE(ring_words(order, 256), 64u * 4000);
  order.max_new_tokens = 1 << 30;
  EXPECT_EQ(ring_words(order, 256), 1u << 19);
  order.max_new_tokens = 20;
  order.engine.emplace<ServerSpec>().max_in_flight = 4096;
  EXPECT_GE(ring_words(order, 256), 2u * 4096 * 20);
}

}  // namespace
}  // namespace cotenant
