#include "engine/stress/fixed_time.h"

#include <cmath>

#include "base/clock.h"
#include "base/error.h"

namespace cotenant {

FixedTimeEngine::FixedTimeEngine(How how, double service_ms)
    : how_(how), service_ns_(static_cast<int64_t>(std::llround(service_ms * 1e6))) {
  if (!(service_ms > 0)) throw usage_error("service_ms", "expected a time above 0");
}

bool FixedTimeEngine::submit(const Request& request) {
  if (waiting_) return false;
  waiting_ = request.id;
  return true;
}

void FixedTimeEngine::pass_time(int64_t until_ns) const {
  if (how_ == How::sleep) return sleep_until_ns(until_ns);
  while (now_ns() < until_ns) {
  }
}

std::span<const Progress> FixedTimeEngine::step(int64_t until_ns) {
  if (!waiting_) {
    sleep_until_ns(until_ns);
    return {};
  }
  const int64_t start_ns = now_ns();
  pass_time(start_ns + service_ns_);
  progress_[0] = {.id = *waiting_, .status = Status::started, .at_ns = start_ns};
  progress_[1] = {.id = *waiting_, .status = Status::done, .at_ns = now_ns()};
  waiting_.reset();
  return progress_;
}

}  // namespace cotenant
