#include "made_data.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>

#include "stats/describe.h"

namespace cotenant::made {
namespace {

// A speed as a function of time in [0, 1), the window: constant over each of its cells.
using Speed = std::vector<double>;
constexpr size_t cells = 500;

double at(const Speed& speed, double time) {
  if (speed.empty()) return 1;
  return speed[static_cast<size_t>(std::clamp(time, 0.0, 1.0) * (cells - 1))];
}

// exp of an Ornstein-Uhlenbeck process of the given deviation, which forgets within `memory` of the window; mean 1.
Speed wandering(double deviation, double memory, Draw& draw) {
  Speed speed(cells);
  const double keep = std::exp(-1 / (memory * cells));
  double state = draw.normal();
  for (double& value : speed) {
    value = std::exp(deviation * state - deviation * deviation / 2);
    state = keep * state + std::sqrt(1 - keep * keep) * draw.normal();
  }
  return speed;
}

// +1 and -1 in turn, changing at random instants.
Speed telegraph(double changes, Draw& draw) {
  Speed side(cells);
  double now = draw.uniform() < 0.5 ? 1 : -1;
  for (double& value : side) {
    if (draw.uniform() < changes / cells) now = -now;
    value = now;
  }
  return side;
}

std::vector<Speed> speeds(Kind kind, size_t tenants, Draw& draw) {
  std::vector<Speed> result(tenants);
  if (kind == Kind::common_drift) {
    const Speed common = wandering(0.1, 0.04, draw);
    std::fill(result.begin(), result.end(), common);
  } else if (kind == Kind::own_drift) {
    for (Speed& speed : result) speed = wandering(0.05, 0.04, draw);
  } else if (kind == Kind::seesaw && tenants > 1) {
    const Speed side = telegraph(20, draw);
    for (size_t t = 0; t < 2; ++t)
      for (const double s : side) result[t].push_back(1 + (t == 0 ? 0.2 : -0.2) * s);
  }
  return result;
}

// What one request takes at speed 1; mean 1.
class Requests {
 public:
  Requests(Kind kind, Draw& draw) : kind_(kind), draw_(draw), state_(draw.normal()) {}

  double next() {
    switch (kind_) {
      case Kind::independent:
        return lognormal(0.15, draw_.normal());
      case Kind::bimodal:
        return (draw_.uniform() < 0.2 ? 1.8 : 1.0) / 1.16 * lognormal(0.05, draw_.normal());
      case Kind::heavy_tail:
        return 0.85 + 0.3 * (std::pow(draw_.uniform(), -1 / 3.0) - 1);  // Lomax: mean 0.5
      case Kind::ar_half:
        return lognormal(0.15, correlated(0.5));
      case Kind::ar_most:
        return lognormal(0.15, correlated(0.9));
      case Kind::common_drift:
      case Kind::own_drift:
      case Kind::seesaw:
        return lognormal(0.1, draw_.normal());
      case Kind::waits:
        return (lognormal(0.1, draw_.normal()) + (draw_.uniform() < 0.05 ? 2 : 0)) / 1.1;
      case Kind::bursts:
        return burst() / burst_mean;
    }
    return 1;
  }

 private:
  // A tenth of the requests are in bursts, of which one in five ends one; of the others one in 45 begins one.
  static constexpr double burst_mean = 0.9 + 0.1 * 1.6;

  static double lognormal(double deviation, double normal) {
    return std::exp(deviation * normal - deviation * deviation / 2);
  }
  double correlated(double r) {
    state_ = r * state_ + std::sqrt(1 - r * r) * draw_.normal();
    return state_;
  }
  double burst() {
    if (!begun_) in_burst_ = draw_.uniform() < 0.1, begun_ = true;
    in_burst_ = in_burst_ ? draw_.uniform() >= 0.2 : draw_.uniform() < 1 / 45.0;
    return (in_burst_ ? 1.6 : 1.0) * lognormal(0.1, draw_.normal());
  }

  Kind kind_;
  Draw& draw_;
  double state_;
  bool in_burst_ = false, begun_ = false;
};

LoadedTenant run_tenant(Kind kind, double latency_ms, double window_s, const Speed& speed, Draw& draw) {
  LoadedTenant tenant;
  const WindowRecord window{0, window_s};
  tenant.tally = Tally(window);
  tenant.duration_s = window_s;
  Requests requests(kind, draw);
  double now_s = -draw.uniform() * latency_ms * 1e-3;
  while (now_s < window_s) {
    Iteration iteration;
    iteration.latency_ms = latency_ms * requests.next() / at(speed, now_s / window_s);
    iteration.start_s = now_s;
    iteration.end_s = now_s = now_s + iteration.latency_ms * 1e-3;
    tenant.tally.add(iteration);
    tenant.samples.latency_ms.push_back(iteration.latency_ms);
    tenant.samples.start_s.push_back(*iteration.start_s);
    tenant.samples.end_s.push_back(*iteration.end_s);
    tenant.samples.counts.push_back(counts(iteration, window));
  }
  return tenant;
}

LoadedExperiment run(Kind kind, const std::vector<double>& latency_ms, size_t requests, Draw& draw) {
  LoadedExperiment experiment;
  const double window_s = *std::ranges::max_element(latency_ms) * 1e-3 * static_cast<double>(requests);
  experiment.window = WindowRecord{0, window_s};
  const std::vector<Speed> speed = speeds(kind, latency_ms.size(), draw);
  for (size_t t = 0; t < latency_ms.size(); ++t) {
    experiment.tenants.push_back(run_tenant(kind, latency_ms[t], window_s, speed[t], draw));
    experiment.tenants.back().name = "t" + std::to_string(t);
  }
  return experiment;
}

}  // namespace

std::string_view to_string(Kind kind) {
  constexpr std::array<std::string_view, kinds.size()> names{"independent", "bimodal",      "heavy tail", "AR 0.5",
                                                             "AR 0.9",      "common drift", "own drift",  "seesaw",
                                                             "waits",       "bursts"};
  return names[static_cast<size_t>(kind)];
}

double Draw::uniform() {
  return (static_cast<double>(random_.next() >> 11) + 0.5) * 0x1p-53;
}

double Draw::normal() {
  if (spare_) {
    const double value = *spare_;
    spare_.reset();
    return value;
  }
  const double radius = std::sqrt(-2 * std::log(uniform())), angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

std::vector<double> latencies(Kind kind, size_t n, Draw& draw) {
  Requests requests(kind, draw);
  std::vector<double> values(n);
  for (double& value : values) value = requests.next();
  return values;
}

double true_quantile(Kind kind, double q) {
  Draw draw(20'000'003);
  std::vector<double> values = latencies(kind, 4'000'000, draw);
  std::ranges::sort(values);
  return percentile(values, q);
}

Made make(const Plan& plan, Draw& draw) {
  Made made;
  made.shared = run(plan.kind, plan.latency_ms, plan.requests, draw);
  std::vector<std::shared_ptr<const LoadedExperiment>> alone;
  for (const double alone_ms : plan.alone_ms)
    alone.push_back(std::make_shared<const LoadedExperiment>(run(plan.kind, {alone_ms}, plan.requests, draw)));
  for (const size_t which : plan.baseline)
    made.baselines.emplace_back(Baseline{alone[which], &alone[which]->tenants[0], "made", {}});
  return made;
}

}  // namespace cotenant::made
