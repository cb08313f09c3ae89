#pragma once

#include <cstdint>
#include <span>

#include "engine/engine.h"
#include "process/event_ring.h"
#include "worker/in_flight.h"
#include "worker/lag.h"
#include "workload/workload.h"

// The loop in which everything is measured. It allocates nothing, locks nothing, and calls the system only for the
// clock, the launch and the wait.
namespace cotenant {

// What became of a workload's requests, and how well its instants were kept.
struct LoopResult {
  int64_t requests = 0;  // recorded: those that were sent, and those that were rejected
  int64_t rejected = 0;  // of these: they found the tenant's queue full
  int64_t waiting = 0;   // due when the loop was told to stop, and never sent
  // From the instant at which a request was due and the engine, as far as the loop knew, would have taken it, to its
  // sending. The wait for room, or for the end of a pass, is none of it: that is the time in the queue.
  LagHistogram lag;
};

// Sends what `workload` has while the engine has room, lets the engine work until the next instant that matters, and
// publishes what has ended, until the driver asks to stop or the workload is over; what is in flight then is finished.
// `ids`: token ids, of which a request has as many as it needs from the first on; empty without a model.
//
// Requests of a closed loop are scheduled when they are sent, or where the engine had no room, when their client wanted
// to. Those of an open one keep the instant at which they were
// due, and wait in the tenant's queue while the engine is full; what finds the queue full is published as rejected, at
// the instant at which it was due. The queue's state is that of the instants at which requests came, not of those at
// which the loop looked.
//
// Between two requests of an open loop it sleeps, and spins for the last stretch (PunctualWait), so that it is on time
// to a few microseconds; of closed loops it only sleeps, and is some 60 us late after a pause.
LoopResult run_timed_loop(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight,
                          EventRing& ring);

// Sends one request at once and waits until it is done; `in_flight` is empty before and after.
EventSlot run_request(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, InFlight& in_flight);

}  // namespace cotenant
