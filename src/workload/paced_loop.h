#pragma once

#include <algorithm>
#include <cstdint>

namespace cotenant {

// The next request is due one period after the last one was due, or at once where that is past: who is late starts anew
// and does not catch up in a burst.
class PacedLoop {
 public:
  PacedLoop(int64_t period_ns, int64_t first_due_ns) : period_ns_(period_ns), due_ns_(first_due_ns) {}

  int64_t next_ns(int64_t idle_since_ns) {
    const int64_t due_ns = std::max(due_ns_, idle_since_ns);
    due_ns_ = due_ns + period_ns_;
    return due_ns;
  }

 private:
  const int64_t period_ns_;
  int64_t due_ns_;
};

}  // namespace cotenant
