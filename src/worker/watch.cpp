#include "worker/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/error.h"

namespace cotenant {
namespace {

constexpr int64_t kNapNs = 10'000'000;          // how long a request to stop or to leave may go unheard
constexpr int64_t kSilenceNs = 10'000'000'000;  // after which it is told that no iteration ends
constexpr int64_t kLeastLastNs = 1'000'000'000, kMostLastNs = 25'000'000'000;  // to wait for the last iteration

// Tells, at growing distances, that nothing comes.
class Silence {
 public:
  void broken() { *this = Silence(); }

  void look(const Watcher& watcher, int64_t shortest_ns) {
    const int64_t silent_ns = now_ns() - since_ns_;
    if (silent_ns < std::max(told_ns_, shortest_ns)) return;
    told_ns_ = 2 * silent_ns;
    watcher.tell(
        fmt::format("no line has matched progress for {:.0f} s: {}", ns_to_s(silent_ns), watcher.program.account()));
  }

 private:
  int64_t since_ns_ = now_ns();
  int64_t told_ns_ = kSilenceNs;
};

// None: leaving. Throws when the output has ended.
std::optional<WatchedProgram::Iteration> wait_for_next(const Watcher& watcher, int64_t longest_ns) {
  for (Silence silence; !watcher.leaving;) {
    if (const auto iteration = watcher.program.next(now_ns() + kNapNs)) return iteration;
    if (watcher.program.has_ended())
      throw usage_error("progress",
                        "the program's output ended before the measurement began: " + watcher.program.account(),
                        "See its program.log.");
    silence.look(watcher, 3 * longest_ns);
  }
  return std::nullopt;
}

}  // namespace

bool wait_for_progress(const Watcher& watcher) {
  return wait_for_next(watcher, 0).has_value();
}

int64_t watch_warm_up(const Watcher& watcher, int64_t iterations, int64_t until_ns) {
  int64_t longest_ns = 0, begin_ns = 0;
  for (int64_t ended = -1; ended < std::max<int64_t>(1, iterations) || now_ns() < until_ns; ++ended) {
    const auto iteration = wait_for_next(watcher, longest_ns);
    if (!iteration) break;
    if (begin_ns != 0) longest_ns = std::max(longest_ns, iteration->at_ns - begin_ns);
    begin_ns = iteration->at_ns;
  }
  return longest_ns;
}

int64_t watch_iterations(const Watcher& watcher, const WatchRules& rules, EventRing& ring) {
  int64_t count = 0, longest_ns = rules.longest_ns, give_up_ns = 0;
  std::optional<int64_t> begin_ns;
  for (Silence silence; !watcher.leaving && (rules.exactly == 0 || count < rules.exactly);) {
    if (give_up_ns == 0 && ring.stop_requested()) {
      if (!begin_ns) break;
      give_up_ns = now_ns() + std::clamp(3 * longest_ns, kLeastLastNs, kMostLastNs);
    }
    const auto iteration = watcher.program.next(now_ns() + kNapNs);
    if (!iteration) {
      if (watcher.program.has_ended() || (give_up_ns != 0 && now_ns() >= give_up_ns)) break;
      silence.look(watcher, 3 * longest_ns);
      continue;
    }
    if (iteration->at_ns < rules.begin_ns) continue;
    silence.broken();
    if (begin_ns) {
      ring.publish({.iter = count++,
                    .scheduled_ns = *begin_ns,
                    .start_ns = *begin_ns,
                    .end_ns = iteration->at_ns,
                    .tokens_in = rules.tokens * iteration->steps});
      longest_ns = std::max(longest_ns, iteration->at_ns - *begin_ns);
      if (give_up_ns != 0) break;
    }
    begin_ns = iteration->at_ns;
  }
  return count;
}

}  // namespace cotenant
