#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "analysis/baseline.h"
#include "analysis/load.h"
#include "random.h"

// Experiments whose truth is known: how fast each tenant is in the long run, and what its median is. They are made in
// memory, as load_experiment would have read them, so that the functions of the analysis can be asked for intervals and
// verdicts as often as a coverage needs.
namespace cotenant::made {

enum class Kind : uint8_t {
  independent,   // lognormal, deviation 0.15 of the logarithm
  bimodal,       // one in five takes 1.8 times as long, each mode 0.05
  heavy_tail,    // 0.85 and a Lomax tail of exponent 3: no third moment
  ar_half,       // lognormal, 0.15, neighbours' logarithms correlate by 0.5
  ar_most,       // by 0.9
  common_drift,  // 0.1, and the device's speed wanders by 0.1 for all tenants alike, for a 25th of the window each way
  own_drift,     // the same of each tenant for itself, by 0.05
  seesaw,        // two tenants trade 20% of their speed, at random instants, 20 times a window
  waits,         // one in twenty waits for twice what a request takes
  bursts,        // stretches of five requests or so at 1.6 times, a tenth of them
};
inline constexpr std::array<Kind, 10> kinds{Kind::independent, Kind::bimodal,      Kind::heavy_tail, Kind::ar_half,
                                            Kind::ar_most,     Kind::common_drift, Kind::own_drift,  Kind::seesaw,
                                            Kind::waits,       Kind::bursts};
std::string_view to_string(Kind kind);

// Seeded by hand where <random> would differ from one library to the next.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}
  double uniform();  // in (0, 1)
  double normal();   // Box and Muller
 private:
  SplitMix64 random_;
  std::optional<double> spare_;
};

// Latencies in order of time, of mean 1 in the long run where nothing wanders; `speed` divides them.
std::vector<double> latencies(Kind kind, size_t n, Draw& draw);

// The q-quantile in the long run, of a kind without drifts.
double true_quantile(Kind kind, double q);

struct Plan {
  Kind kind = Kind::independent;
  std::vector<double> latency_ms;  // of each tenant, the mean that it has in the long run
  size_t requests = 200;           // of the slowest tenant, about
  std::vector<double> alone_ms;    // of each distinct baseline
  std::vector<size_t> baseline;    // of each tenant: which of them
};

// One run of it, and its baselines.
struct Made {
  LoadedExperiment shared;
  std::vector<std::optional<Baseline>> baselines;
};
Made make(const Plan& plan, Draw& draw);

}  // namespace cotenant::made
