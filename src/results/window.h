#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "results/event.h"
#include "results/record.h"

// The one place that says which iterations count. A latency counts if it lies wholly inside the window; throughput
// counts the parts of requests at the edges pro rata. Driver and analysis both use it, so their numbers cannot differ.
namespace cotenant {

// Tenants that overlapped for less than this share of the longest one's time measure mostly something else: where each
// does its own number of iterations, that is worth a warning.
inline constexpr double least_overlap = 0.9;

// Whether the iteration is complete, ok, and wholly inside. Without a window all that are ok count.
bool counts(const Iteration& iteration, const std::optional<WindowRecord>& window);

// What of one iteration lies in the window: 1 request, or the part of one at an edge; its tokens likewise. Nothing of
// one that is not ok.
struct PartInside {
  double requests = 0, tokens_in = 0, tokens_out = 0;
};
PartInside part_inside(const Iteration& iteration, const std::optional<WindowRecord>& window);

// Running sums over one tenant's iterations, so that a file of any length is read once.
class Tally {
 public:
  explicit Tally(const std::optional<WindowRecord>& window = std::nullopt) : window_(window) {}

  void add(const Iteration& iteration);

  int64_t completed = 0, rejected = 0, failed = 0;     // of all iterations
  double requests = 0, tokens_in = 0, tokens_out = 0;  // inside, with the parts of requests at the edges

  // Of the ok iterations with times; infinite, and minus that, without any.
  double first_start_s() const { return first_start_s_; }
  double last_end_s() const { return last_end_s_; }
  // From the one to the other; none without times.
  std::optional<double> completion_s() const;
  // Of the window; without one the time to completion; without times the sum of the latencies.
  double duration_s() const;

 private:
  std::optional<WindowRecord> window_;
  double first_start_s_ = std::numeric_limits<double>::infinity(), last_end_s_ = -first_start_s_;
  double latencies_ms_ = 0;
};

// From the last tenant's first start until `stop_s`; without `stop_s` (`corun: fixed`) until the first tenant to finish
// has finished. None when some tenant has no iteration with times, or when there was no such interval. `tenants`: over
// all their iterations.
std::optional<WindowRecord> overlap_window(std::span<const Tally> tenants, std::optional<double> stop_s);

// Iterations that can be gone through again and again: calls its argument with each, in order of time.
using IterationSource = std::function<void(const std::function<void(const Iteration&)>&)>;

// A tenant's figures in each of the windows, with exact percentiles. `generates`: tokens_per_s counts tokens_out alone,
// else tokens_in. Goes through the iterations six times and holds none of them.
std::vector<TenantSummary> summarize(const IterationSource& iterations,
                                     std::span<const std::optional<WindowRecord>> windows, bool generates);
TenantSummary summarize(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window,
                        bool generates);

}  // namespace cotenant
