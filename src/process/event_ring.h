#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "process/shared_memory.h"

// How a tenant's timed loop hands its events to the driver: a ring in shared memory with one writer and one reader,
// without locks, allocation or system calls. An event exists for the reader once it is published as a whole, so a
// writer killed in the middle leaves nothing torn, and what was published survives it. A full ring never makes the
// writer wait: the event is dropped and counted.
namespace cotenant {

// One request, times by CLOCK_MONOTONIC.
struct EventSlot {
  int64_t iter = 0;
  int64_t scheduled_ns = 0, start_ns = 0, end_ns = 0;
  int64_t tokens_in = 0, tokens_out = 0;
  float gpu_ms = -1;         // negative: no such clock
  uint32_t status = 0;       // 0 ok, 1 rejected, 2 failed
  uint32_t token_count = 0;  // set by publish(): number of times recorded by token()
  uint32_t reserved = 0;
  uint64_t first_token = 0;  // set by publish(): where they begin
};
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

class EventRing {
 public:
  // `events` and `tokens` are powers of two.
  static EventRing create(uint32_t events = 1 << 15, uint32_t tokens = 1 << 17);
  static EventRing attach(Fd fd);  // throws internal_error when the memory is no ring

  int fd() const { return memory_.fd(); }

  // ---- the writer ----
  // The time of a token of the request that is being measured.
  void token(int64_t at_ns);
  // Publishes an event with the tokens since the last one; false: dropped, the ring is full.
  bool publish(EventSlot event);

  // ---- the reader ----
  // Takes the oldest event; false when there is none. `token_ns` receives the times of its tokens.
  bool take(EventSlot& event, std::vector<int64_t>& token_ns);
  uint64_t dropped() const;

  // ---- both ----
  // The flag by which the driver ends the run.
  void request_stop();
  bool stop_requested() const;

 private:
  struct Header;
  explicit EventRing(SharedMemory memory, uint32_t events, uint32_t tokens);
  Header& header() const;

  SharedMemory memory_;
  uint32_t events_, tokens_;  // capacities; our own copies, which the other side cannot change
  EventSlot* slots_;
  int64_t* token_ns_;
  uint64_t pending_tokens_ = 0;    // the writer's: recorded, not yet published
  uint64_t published_tokens_ = 0;  // the writer's
  bool token_lost_ = false;        // the writer's: a token found its ring full
};

}  // namespace cotenant
