#include "driver/ring_size.h"

#include <algorithm>
#include <bit>

#include "process/event_ring.h"

namespace cotenant {
namespace {

constexpr uint64_t kAllWords = (32 << 20) / sizeof(int64_t);
constexpr uint64_t kLeastWords = (512 << 10) / sizeof(int64_t), kMostWords = (4 << 20) / sizeof(int64_t);
constexpr uint64_t kAtOnce = 64;  // requests of the longest kind

}  // namespace

uint32_t ring_words(const TenantOrder& order, size_t tenants) {
  uint64_t at_once = kAtOnce;
  if (const ServerSpec* server = order.server())
    at_once = std::max<uint64_t>(at_once, 2 * static_cast<uint64_t>(std::max(1, server->max_in_flight.value_or(1))));
  const uint64_t longest = EventRing::event_words + static_cast<uint64_t>(std::max(0, order.max_new_tokens));
  const uint64_t least = std::max(kLeastWords, std::bit_ceil(at_once * longest));
  return static_cast<uint32_t>(
      std::min(kMostWords, std::max(least, std::bit_floor(kAllWords / std::max<size_t>(1, tenants)))));
}

}  // namespace cotenant
