#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "process/event_ring.h"
#include "workload/workload.h"

namespace cotenant {

// The requests that an engine has, from their sending to their end: a table of fixed size, so that nothing is allocated
// while requests are measured. Owned by the tenant's thread.
class InFlight {
 public:
  // `most_tokens`: of one sequence; a request that gets more has no times that could be kept, and counts as dropped.
  InFlight(int capacity, int most_tokens);

  bool full() const { return free_.empty(); }
  bool empty() const { return free_.size() == entries_.size(); }

  // Hands a request to the engine; its event counts from the instants given. False: the engine has no room.
  bool submit(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, int64_t scheduled_ns,
              int64_t sent_ns);

  struct Ended {
    EventSlot event;
    std::span<const int64_t> token_ns;  // of the first sequence; all advance together. Valid until the next submit
    bool tokens_lost = false;           // more than the table holds
  };
  // Notes one step of a request. The request, where that was its end: its place is free then.
  const Ended* note(const Progress& progress);

 private:
  struct Entry {
    EventSlot event;
    size_t tokens = 0;  // of the first sequence
    bool in_use = false;
  };
  Entry& entry_of(uint64_t id);

  const size_t most_tokens_;
  std::vector<Entry> entries_;     // a request's id is its place here
  std::vector<int64_t> token_ns_;  // [capacity, most_tokens]
  std::vector<uint32_t> free_;
  Ended ended_;
};

}  // namespace cotenant
