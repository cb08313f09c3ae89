#include "worker/timed_loop.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "worker/punctual_wait.h"

namespace cotenant {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
// A client of a closed loop whose request fails waits so long for each in a row that did, so that it does not keep a
// core, and a server in need, busy with more.
constexpr int64_t kBackOffNs = 1'000'000, kLongestBackOffNs = 100'000'000;
constexpr int64_t kNapNs = 10'000'000;  // how long a request to stop may go unheard while nothing happens

class TimedLoop {
 public:
  TimedLoop(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight, EventRing& ring)
      : engine_(engine), workload_(workload), ids_(ids), in_flight_(in_flight), ring_(ring) {
    if (workload.open()) punctual_.emplace();
  }

  LoopResult run() {
    for (;;) {
      if (!stopping_ && ring_.stop_requested()) stop();
      const int64_t until_ns = stopping_ ? kForever : send_due();
      if (!in_flight_.empty()) {
        work(stopping_ ? kForever : std::min(until_ns, now_ns() + kNapNs));
      } else if (stopping_ || workload_.over()) {
        result_.requests = workload_.requests();
        return result_;
      } else {
        pause(until_ns);
      }
    }
  }

 private:
  // Sends what is due while the engine has room; the instant at which it may be asked again.
  int64_t send_due() {
    for (full_ = in_flight_.full(); const auto request = workload_.next(); full_ = in_flight_.full()) {
      const int64_t at_ns = now_ns();
      if (at_ns < request->due_ns) return full_ ? kForever : request->due_ns;
      full_ = !send(*request, at_ns);
      if (!full_) continue;
      turn_away(at_ns);
      return kForever;
    }
    return kForever;
  }

  bool send(const DueRequest& request, int64_t at_ns) {
    if (in_flight_.full()) return false;
    const bool waited = request.due_ns < room_since_ns_;  // a closed loop's client for another's request
    const int64_t scheduled_ns = workload_.open() || waited ? request.due_ns : at_ns;
    if (!in_flight_.submit(engine_, request, ids_, scheduled_ns, at_ns)) {
      if (in_flight_.empty()) throw internal_error("timed loop", "an idle engine refused a request");
      return false;
    }
    result_.lag.add(at_ns - std::max({request.due_ns, room_since_ns_, engine_.open_since_ns()}));
    workload_.sent();
    return true;
  }

  // What came by then and found the queue full, while the engine was full too.
  void turn_away(int64_t until_ns) {
    while (const auto request = workload_.rejected(until_ns)) {
      ++result_.rejected;
      ring_.publish({.iter = request->iter,
                     .scheduled_ns = request->due_ns,
                     .start_ns = request->due_ns,
                     .end_ns = request->due_ns,
                     .tokens_in = request->tokens_in(),
                     .status = EventSlot::rejected});
    }
  }

  void work(int64_t until_ns) {
    for (const Progress& progress : engine_.step(until_ns)) {
      const InFlight::Ended* ended = in_flight_.note(progress);
      if (ended == nullptr) continue;
      if (ended->tokens_lost)
        ring_.drop();
      else
        ring_.publish(ended->event, ended->token_ns);
      if (full_) {
        turn_away(progress.at_ns);
        room_since_ns_ = progress.at_ns;
      }
      failed_in_a_row_ = progress.status == Status::done ? 0 : failed_in_a_row_ + 1;
      workload_.ended(now_ns() + std::min(failed_in_a_row_ * kBackOffNs, kLongestBackOffNs));
    }
  }

  // Nothing is in flight: a pause must not keep a core busy for longer than it has to.
  void pause(int64_t until_ns) {
    const int64_t nap_ends_ns = now_ns() + kNapNs;
    if (punctual_ && until_ns <= nap_ends_ns)
      punctual_->until_ns(until_ns);
    else
      sleep_until_ns(std::min(until_ns, nap_ends_ns));
  }

  void stop() {
    stopping_ = true;
    turn_away(now_ns());
    result_.waiting = static_cast<int64_t>(workload_.waiting());
    full_ = false;  // nothing comes any more
    engine_.flush();
  }

  Engine& engine_;
  Workload& workload_;
  const std::span<const int32_t> ids_;
  InFlight& in_flight_;
  EventRing& ring_;
  std::optional<PunctualWait> punctual_;
  bool stopping_ = false;
  bool full_ = false;          // the engine has no room, as far as is known
  int64_t room_since_ns_ = 0;  // when it last got some
  int64_t failed_in_a_row_ = 0;
  LoopResult result_;
};

}  // namespace

LoopResult run_timed_loop(Engine& engine, Workload& workload, std::span<const int32_t> ids, InFlight& in_flight,
                          EventRing& ring) {
  return TimedLoop(engine, workload, ids, in_flight, ring).run();
}

EventSlot run_request(Engine& engine, const DueRequest& request, std::span<const int32_t> ids, InFlight& in_flight) {
  const int64_t sent_ns = now_ns();
  if (!in_flight.submit(engine, request, ids, sent_ns, sent_ns))
    throw internal_error("timed loop", "an idle engine refused a request");
  engine.flush();
  for (;;)
    for (const Progress& progress : engine.step(kForever))
      if (const InFlight::Ended* ended = in_flight.note(progress)) return ended->event;
}

}  // namespace cotenant
