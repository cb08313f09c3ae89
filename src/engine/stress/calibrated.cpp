#include "engine/stress/calibrated.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace cotenant {
namespace {

constexpr int kTries = 12;
constexpr double kClose = 0.03;            // of service_ms
constexpr double kTooLong = 1.5;           // one round that takes this many service_ms is no fit
constexpr int64_t kWarmNs = 500'000'000;   // clocks of an idle device need about this long
constexpr int64_t kSampleNs = 60'000'000;  // of requests, for one median
constexpr size_t kMost = 31;               // requests for one median
constexpr int64_t kMostRounds = 1'000'000'000;

}  // namespace

CalibratedEngine::CalibratedEngine(std::unique_ptr<StressLoad> load, double service_ms)
    : load_(std::move(load)), service_ms_(service_ms) {
  if (!(service_ms > 0)) throw usage_error("service_ms", "expected a time above 0");
}

double CalibratedEngine::median_ms(int64_t rounds) {
  std::vector<double> times_ms;
  const int64_t until_ns = now_ns() + kSampleNs;
  // Of requests that are longer than the sample, one says enough.
  while (times_ms.empty() || (times_ms.size() < kMost && now_ns() < until_ns)) {
    const int64_t start_ns = now_ns();
    load_->run(rounds);
    times_ms.push_back(ns_to_ms(now_ns() - start_ns));
  }
  const auto middle = times_ms.begin() + static_cast<ptrdiff_t>(times_ms.size() / 2);
  std::ranges::nth_element(times_ms, middle);
  return *middle;
}

void CalibratedEngine::warm_clocks() {
  const int64_t until_ns = now_ns() + kWarmNs;
  do load_->run(rounds_);
  while (now_ns() < until_ns);
}

// A request costs a + b rounds, so scaling the rounds by what is missing comes nearer with every try. The nearest of
// all tries is taken, which is within 3 % unless a round is coarser than that.
void CalibratedEngine::prepare() {
  rounds_ = 1;
  load_->run(1);  // loads its kernels
  const double one_ms = median_ms(1);
  if (one_ms > kTooLong * service_ms_)
    throw usage_error("stress.service_ms",
                      fmt::format("{} ms is too short: the smallest request takes {:.3f} ms here", service_ms_, one_ms),
                      fmt::format("Use at least {:.2g}.", one_ms * 2));
  double ms = one_ms;
  while (ms < service_ms_ / 4 && rounds_ < kMostRounds) ms = median_ms(rounds_ *= 2);
  warm_clocks();

  int64_t best_rounds = rounds_, rounds = rounds_;
  double best_ms = 0;
  for (int i = 0; i < kTries && std::abs(best_ms / service_ms_ - 1) > kClose; ++i) {
    ms = median_ms(rounds);
    if (best_ms == 0 || std::abs(ms - service_ms_) < std::abs(best_ms - service_ms_)) {
      best_ms = ms;
      best_rounds = rounds;
    }
    const double wanted = static_cast<double>(rounds) * service_ms_ / ms;
    rounds = std::clamp<int64_t>(std::llround(wanted), 1, kMostRounds);
  }
  rounds_ = best_rounds;
  const double service_ms = median_ms(rounds_);
  calibration_ = {.unit = load_->unit(),
                  .work_per_request = load_->work_per_round() * static_cast<double>(rounds_),
                  .service_ms = service_ms,
                  .footprint_sms = load_->footprint_sms()};
}

void CalibratedEngine::warm() {
  load_->run(rounds_);
}

bool CalibratedEngine::submit(const Request& request) {
  if (waiting_) return false;
  waiting_ = request.id;
  return true;
}

std::span<const Progress> CalibratedEngine::step(int64_t until_ns) {
  if (!waiting_) {
    sleep_until_ns(until_ns);
    return {};
  }
  progress_[0] = {.id = *waiting_, .status = Status::started, .at_ns = now_ns()};
  const float gpu_ms = load_->run(rounds_);
  progress_[1] = {.id = *waiting_, .status = Status::done, .at_ns = now_ns(), .gpu_ms = gpu_ms};
  waiting_.reset();
  return progress_;
}

}  // namespace cotenant
