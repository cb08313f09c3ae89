#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "process/shared_memory.h"

// How a tenant's timed loop hands its events to the driver: a ring of words in shared memory with one writer and one
// reader, without locks, allocation or system calls. A record is one finished request: its event, then the times of its
// tokens. It exists for the reader once it is published as a whole, so a writer killed in the middle leaves nothing
// torn, and what was published survives it. A full ring never makes the writer wait: the record is dropped and counted.
namespace cotenant {

// One request, times by CLOCK_MONOTONIC.
struct EventSlot {
  static constexpr uint16_t ok = 0, rejected = 1, failed = 2;

  int64_t iter = 0;
  int64_t scheduled_ns = 0, start_ns = 0, end_ns = 0;
  int64_t tokens_in = 0, tokens_out = 0;
  float gpu_ms = -1;  // negative: no such clock
  uint16_t status = ok;
  uint16_t fault = 0;        // of what is not ok: why (engine/fault.h); 0: nobody said
  uint32_t token_count = 0;  // set by publish(): number of times behind it
  uint32_t seal = 0;         // set by publish(), by which take() knows that a record begins here
};
static_assert(sizeof(EventSlot) % sizeof(int64_t) == 0);
static_assert(std::atomic<uint64_t>::is_always_lock_free && std::atomic<uint32_t>::is_always_lock_free);

class EventRing {
 public:
  static constexpr uint32_t event_words = sizeof(EventSlot) / sizeof(int64_t);  // of a record without tokens

  // `words` of 8 bytes, a power of two.
  static EventRing create(uint32_t words);
  static EventRing attach(Fd fd);  // throws internal_error when the memory is no ring

  int fd() const { return memory_.fd(); }
  void close_fd() { memory_.close_fd(); }  // once the other side has it

  // ---- the writer ----
  // Publishes an event with the times of its tokens; false: dropped, there is no room for it.
  bool publish(EventSlot event, std::span<const int64_t> token_ns = {});
  void drop();  // counts an event that cannot be published: not all of its tokens' times are known

  // ---- the reader ----
  // Takes the oldest event; false when there is none. `token_ns` receives the times of its tokens.
  bool take(EventSlot& event, std::vector<int64_t>& token_ns);
  uint64_t dropped() const;
  uint64_t capacity() const { return capacity_ / event_words; }  // in events without tokens
  // Something wrote into the memory that is no event: what take() gave before is right, and it gives no more.
  bool damaged() const { return damaged_; }

  // ---- both ----
  // The flag by which the driver ends the run.
  void request_stop();
  bool stop_requested() const;

 private:
  struct Header;
  EventRing(SharedMemory memory, uint32_t words);
  Header& header() const;
  void put(uint64_t at, const void* from, uint64_t count);
  void get(uint64_t at, void* to, uint64_t count) const;

  SharedMemory memory_;
  uint64_t capacity_;  // in words; our own copy, which the other side cannot change
  int64_t* words_;

  uint64_t taken_ = 0;    // the reader's, in words; the shared one is for the writer
  bool damaged_ = false;  // the reader's
};

}  // namespace cotenant
