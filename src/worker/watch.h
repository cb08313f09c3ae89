#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "engine/command/watched_program.h"
#include "process/event_ring.h"

// What a command's tenant does instead of sending requests: it notes the iterations that its program makes by itself.
// All of these end early when `leaving` is set, and tell where iterations fail to come.
namespace cotenant {

struct Watcher {
  WatchedProgram& program;
  const std::atomic<bool>& leaving;
  std::function<void(std::string)> tell;  // a line for people
};

// Until the first one has ended; false: leaving. Throws usage_error when the program's output ends before.
bool wait_for_progress(const Watcher& watcher);

// At least so many, and until then. The longest of them, in ns. Throws likewise.
int64_t watch_warm_up(const Watcher& watcher, int64_t iterations, int64_t until_ns);

struct WatchRules {
  int64_t begin_ns = 0;    // T0: the first iteration begins with the first that ends after it
  int64_t exactly = 0;     // iterations after which it stops; 0: goes on until the driver asks to stop
  int64_t longest_ns = 0;  // of the warm-up
  int64_t tokens = 0;      // of each
};
// Publishes each iteration from one end to the next, until it is asked to stop or the output ends; how many. One that
// has begun when it is asked to stop is waited for, for three times the longest and 25 s at most.
int64_t watch_iterations(const Watcher& watcher, const WatchRules& rules, EventRing& ring);

}  // namespace cotenant
