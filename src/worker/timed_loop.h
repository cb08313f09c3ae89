#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "process/event_ring.h"

// The loop in which everything is measured. It allocates nothing, locks nothing, and calls the system only for the
// clock, the launch and the wait.
namespace cotenant {

// What a tenant sends again and again.
struct RequestShape {
  std::span<const int32_t> tokens;  // [rows * seq_len], empty without a model
  int rows = 1;
  int64_t tokens_in = 0;   // of all rows: the prompts
  int max_new_tokens = 0;  // per row; 0: a forward pass
};

// Sends one request and waits until it is done. Its tokens' times go into `ring` when there is one.
EventSlot run_request(Engine& engine, const RequestShape& shape, int64_t iter, int64_t scheduled_ns, EventRing* ring);

// Sends requests and publishes one event each, until the driver asks to stop, or after exactly `fixed_iters` when that
// is not 0. With a period each is due one period after the last one (workload/paced_loop.h) and its latency counts from
// when it is sent; with 0 each follows the last one at once. Returns the number of requests.
int64_t run_timed_loop(Engine& engine, const RequestShape& shape, int64_t fixed_iters, EventRing& ring,
                       int64_t period_ns = 0);

}  // namespace cotenant
