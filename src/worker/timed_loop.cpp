#include "worker/timed_loop.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "workload/closed_loop.h"
#include "workload/paced_loop.h"

namespace cotenant {
namespace {

constexpr uint32_t kOk = 0, kRejected = 1, kFailed = 2;  // EventSlot::status

// Notes one step of the request; true when it is over.
bool note(const Progress& progress, EventSlot& event, EventRing* ring) {
  switch (progress.status) {
    case Status::started:
      return false;
    case Status::token:
      ++event.tokens_out;
      if (progress.row == 0 && ring != nullptr) ring->token(progress.at_ns);  // all rows advance together
      return false;
    case Status::done:
      event.status = kOk;
      break;
    case Status::rejected:
      event.status = kRejected;
      break;
    case Status::failed:
      event.status = kFailed;
      break;
  }
  event.end_ns = progress.at_ns;
  event.gpu_ms = progress.gpu_ms;
  return true;
}

constexpr int64_t kNapNs = 10'000'000;  // how long a request to stop may go unheard between two requests

// False when it was asked to stop meanwhile. Sleeps: a pause of a stressor must not keep a core busy.
bool sleep_unless_stopped(int64_t until_ns, const EventRing& ring) {
  for (int64_t now = now_ns(); now < until_ns; now = now_ns()) {
    if (ring.stop_requested()) return false;
    sleep_until_ns(std::min(until_ns, now + kNapNs));
  }
  return true;
}

}  // namespace

EventSlot run_request(Engine& engine, const RequestShape& shape, int64_t iter, int64_t scheduled_ns, EventRing* ring) {
  EventSlot event{.iter = iter, .scheduled_ns = scheduled_ns, .start_ns = scheduled_ns, .tokens_in = shape.tokens_in};
  const bool taken = engine.submit({.id = static_cast<uint64_t>(iter),
                                    .tokens = shape.tokens,
                                    .rows = shape.rows,
                                    .max_new_tokens = shape.max_new_tokens,
                                    .scheduled_ns = scheduled_ns});
  if (!taken) throw internal_error("timed loop", "an idle engine refused a request");
  for (;;)
    for (const Progress& progress : engine.step(std::numeric_limits<int64_t>::max()))
      if (note(progress, event, ring)) return event;
}

int64_t run_timed_loop(Engine& engine, const RequestShape& shape, int64_t fixed_iters, EventRing& ring,
                       int64_t period_ns) {
  const ClosedLoop closed;
  PacedLoop paced(period_ns, now_ns());
  int64_t iter = 0;
  while (!ring.stop_requested() && (fixed_iters == 0 || iter < fixed_iters)) {
    int64_t sent_ns = closed.next_ns(now_ns());
    if (period_ns > 0) {
      if (!sleep_unless_stopped(paced.next_ns(sent_ns), ring)) break;
      sent_ns = now_ns();
    }
    ring.publish(run_request(engine, shape, iter, sent_ns, &ring));
    ++iter;
  }
  return iter;
}

}  // namespace cotenant
