#include "worker/punctual_wait.h"

#include <sys/prctl.h>

#include <algorithm>

#include "base/clock.h"

namespace cotenant {
namespace {

constexpr int64_t kLeastMarginNs = 2'000, kMostMarginNs = 200'000;

}  // namespace

PunctualWait::PunctualWait() : slack_ns_(::prctl(PR_GET_TIMERSLACK)) {
  if (slack_ns_ > 0) ::prctl(PR_SET_TIMERSLACK, 1);
}

PunctualWait::~PunctualWait() {
  if (slack_ns_ > 0) ::prctl(PR_SET_TIMERSLACK, slack_ns_);
}

void PunctualWait::until_ns(int64_t instant_ns) {
  const int64_t wake_ns = instant_ns - margin_ns_;
  if (now_ns() < wake_ns) {
    sleep_until_ns(wake_ns);
    const int64_t late_ns = now_ns() - wake_ns;
    // By steps, not to what was seen: one wake that another program held up says nothing of the next.
    margin_ns_ += late_ns > margin_ns_ ? margin_ns_ / 4 : -(margin_ns_ / 512);
    margin_ns_ = std::clamp(margin_ns_, kLeastMarginNs, kMostMarginNs);
  }
  while (now_ns() < instant_ns) {
  }
}

}  // namespace cotenant
