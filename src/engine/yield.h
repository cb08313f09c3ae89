#pragma once

#include <cstdint>
#include <type_traits>

// How tenants of one device give way to each other without the host: a recorded pass has gates between its kernels, and
// at a gate it waits while somebody goes first. Who does so is read from a page of memory that all tenants' processes
// share and the device reads, too. Here is what the page holds and the rule; who makes the page is sharing/yield.h, who
// places gates the device's Ops.
//
// Two rules, and a run has one of them:
// - Levels: a tenant waits while one of a higher level has work.
// - Weights: device time goes to those who have work in proportion to their weights. A tenant waits while one that has
//   work has had less device time for its weight than itself, so that whoever is behind runs alone until it is level
//   (start-time fair queueing with one server; Goyal, Vin and Cheng, SIGCOMM 1996, of which this is the rule of order).
namespace cotenant {

inline constexpr uint32_t most_yield_seats = 128;

// What one tenant tells the others. Each word has one writer at a time: `in_flight` and, while it is 0, `turn_ns` the
// tenant's host; all that follows its gates on the device.
struct alignas(128) YieldSeat {
  uint32_t in_flight = 0;  // replays that were launched and are not known to be over: it has work
  int32_t level = 0;       // set before the first replay; higher goes first
  double per_weight = 1;   // likewise: 1 / weight
  uint64_t turn_ns = 0;    // device time so far, over its weight; after being idle see turn_after_idle()

  uint64_t device_ns = 0;  // between its gates; only by weights
  uint64_t waits = 0;      // gates at which it waited
  uint64_t waited_ns = 0, longest_wait_ns = 0;
  uint64_t bound_hits = 0;  // passes that went on because they had waited for as long as they may

  uint64_t passed = 0;  // its host: gates of all replays so far
};
static_assert(std::is_trivially_copyable_v<YieldSeat> && sizeof(YieldSeat) == 128);

struct YieldPage {
  uint32_t seats = 0;
  uint32_t by_weight = 0;  // 0: by level
  uint64_t most_wait_ns =
      0;  // of all gates of a pass together: what a tenant that is starved or a peer that hangs costs
  alignas(128) YieldSeat seat[most_yield_seats] = {};
};
static_assert(std::is_trivially_copyable_v<YieldPage>);

// Whether the owner of `own` waits at a gate because of `other`.
constexpr bool gives_way(const YieldSeat& own, const YieldSeat& other, bool by_weight) {
  return other.in_flight > 0 && (by_weight ? other.turn_ns < own.turn_ns : other.level > own.level);
}

// What a tenant that was idle may catch up, as device time over its weight: a pause between two requests costs nothing,
// and a long one is no claim on the future.
inline constexpr uint64_t most_behind_ns = 10'000'000;

// The turn of a tenant that has work again.
constexpr uint64_t turn_after_idle(const YieldPage& page, uint32_t own) {
  uint64_t least = UINT64_MAX;  // of those who have work
  for (uint32_t i = 0; i < page.seats; ++i)
    if (i != own && page.seat[i].in_flight > 0 && page.seat[i].turn_ns < least) least = page.seat[i].turn_ns;
  if (least == UINT64_MAX)  // nobody: what the last one had
    for (uint32_t i = least = 0; i < page.seats; ++i)
      if (i != own && page.seat[i].turn_ns > least) least = page.seat[i].turn_ns;
  const uint64_t from = least > most_behind_ns ? least - most_behind_ns : 0;
  return page.seat[own].turn_ns > from ? page.seat[own].turn_ns : from;
}

// Where gates go, while a pass is recorded: so that no more than about a quantum of its own device time lies between
// two, also from one pass to the next, unless one kernel alone takes longer.
class GatePlacer {
 public:
  explicit GatePlacer(double quantum_us) : quantum_us_(quantum_us) {}

  // A pass begins; `at_gate`: with a gate, else in the middle of a quantum.
  void begin(bool at_gate) {
    since_us_ = at_gate ? -1 : quantum_us_ / 2;
    placed_ = 0;
  }
  // Whether a gate goes before a kernel of so many us.
  bool before(double us) {
    const bool gate = since_us_ < 0 || (since_us_ > 0 && since_us_ + us > quantum_us_);
    since_us_ = (gate ? 0 : since_us_) + us;
    placed_ += gate ? 1 : 0;
    return gate;
  }
  // Whether a gate goes behind the last kernel, because there is none yet.
  bool at_end() { return placed_ == 0 && ++placed_ > 0; }
  // Into how many parts a kernel of so many us is divided, where it can be.
  int parts(double us) const { return us > quantum_us_ ? static_cast<int>(us / quantum_us_) + 1 : 1; }
  int placed() const { return placed_; }

 private:
  double quantum_us_;
  double since_us_ = 0;  // the last gate; negative: a gate is due
  int placed_ = 0;
};

// One tenant's place at the gates, for its engine. The page outlives it.
struct YieldPlace {
  YieldPage* page = nullptr;  // null: it does not yield
  uint32_t seat = 0;
  double quantum_us = 0;

  explicit operator bool() const { return page != nullptr; }
};

}  // namespace cotenant
