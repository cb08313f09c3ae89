#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "process/event_ring.h"
#include "worker/in_flight.h"
#include "workload/workload.h"

// The loop in which everything is measured. It allocates nothing, locks nothing, and calls the system only for the
// clock, the launch and the wait.
namespace cotenant {

// Sends what `workload` has while the engine has room, lets the engine work until the next instant that matters, and
// publishes what has ended, until the driver asks to stop or the workload is over; what is in flight then is finished.
// `ids`: token ids, of which a request has as many as it needs from the first on; empty without a model. Latencies
// count from the send. Returns the number of requests.
int64_t run_timed_loop(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight,
                       EventRing& ring);

// Sends one request at once and waits until it is done; `in_flight` is empty before and after.
EventSlot run_request(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, InFlight& in_flight);

}  // namespace cotenant
