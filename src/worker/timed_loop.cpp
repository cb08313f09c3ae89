#include "worker/timed_loop.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "base/error.h"

namespace cotenant {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
constexpr int64_t kNapNs = 10'000'000;  // how long a request to stop may go unheard between two requests

// Sends what is due; the instant at which something will be.
int64_t send_due(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight) {
  while (const auto request = workload.next()) {
    if (in_flight.full()) return kForever;
    const int64_t sent_ns = now_ns();
    if (sent_ns < request->due_ns) return request->due_ns;
    if (!in_flight.submit(engine, *request, ids, sent_ns, sent_ns)) {
      if (in_flight.empty()) throw internal_error("timed loop", "an idle engine refused a request");
      return kForever;
    }
    workload.sent();
  }
  return kForever;
}

}  // namespace

int64_t run_timed_loop(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight,
                       EventRing& ring) {
  for (;;) {
    const bool stopping = ring.stop_requested();
    const int64_t until_ns = stopping ? kForever : send_due(engine, workload, ids, in_flight);
    if (in_flight.empty()) {
      if (stopping || workload.over()) return workload.requests();
      // Sleeps: a pause must not keep a core busy.
      sleep_until_ns(std::min(until_ns, now_ns() + kNapNs));
      continue;
    }
    for (const Progress& progress : engine.step(until_ns)) {
      const InFlight::Ended* ended = in_flight.note(progress);
      if (ended == nullptr) continue;
      if (ended->tokens_lost)
        ring.drop();
      else
        ring.publish(ended->event, ended->token_ns);
      workload.ended(now_ns());
    }
  }
}

EventSlot run_request(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, InFlight& in_flight) {
  const int64_t sent_ns = now_ns();
  if (!in_flight.submit(engine, request, ids, sent_ns, sent_ns))
    throw internal_error("timed loop", "an idle engine refused a request");
  for (;;)
    for (const Progress& progress : engine.step(kForever))
      if (const InFlight::Ended* ended = in_flight.note(progress)) return ended->event;
}

}  // namespace cotenant
