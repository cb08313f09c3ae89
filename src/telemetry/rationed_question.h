#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "base/clock.h"

namespace cotenant {

// Something that is asked of a device or of the kernel again and again, but no more often than keeps what it costs
// below a share of one core. What a question costs depends on machine, driver and load (of NVML on an H100 from 2 us to
// 7 ms), so that is measured.
class RationedQuestion {
 public:
  // `cpu_share`: of one core, for example 0.001. `longest_ns`: after which it is asked whatever it costs.
  explicit RationedQuestion(double cpu_share, int64_t longest_ns = std::numeric_limits<int64_t>::max())
      : cpu_share_(cpu_share), longest_ns_(longest_ns) {}

  bool is_due(int64_t now_ns) const {
    const int64_t since_ns = now_ns - asked_ns_;
    return times_ == 0 || since_ns >= longest_ns_ || static_cast<double>(since_ns) * cpu_share_ >= cost_ns_;
  }

  // It was asked at this instant and took so much CPU time. The first time does not count: it may open things.
  void asked(int64_t at_ns, int64_t cost_ns) {
    asked_ns_ = at_ns;
    ++times_;
    if (times_ == 2) cost_ns_ = static_cast<double>(cost_ns);
    if (times_ > 2) cost_ns_ += (static_cast<double>(cost_ns) - cost_ns_) / 4;
  }

  // Asks if it is due, and notes what that took of the calling thread.
  template <class Ask>
  void ask(Ask&& question) {
    const int64_t at_ns = now_ns();
    if (!is_due(at_ns)) return;
    const int64_t before_ns = thread_cpu_ns();
    std::forward<Ask>(question)();
    asked(at_ns, thread_cpu_ns() - before_ns);
  }

 private:
  double cpu_share_;
  int64_t longest_ns_;
  int64_t asked_ns_ = 0, times_ = 0;
  double cost_ns_ = 0;  // smoothed
};

}  // namespace cotenant
