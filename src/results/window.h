#pragma once

#include <optional>
#include <span>
#include <vector>

#include "results/event.h"
#include "results/record.h"

// The one place that says which iterations count. A latency counts if it lies wholly inside the window; throughput
// counts the parts of requests at the edges pro rata. Driver and analysis both use it, so their numbers cannot differ.
namespace cotenant {

// From the last tenant's first start until `stop_s`; without `stop_s` (`corun: fixed`) until the first tenant to finish
// has finished. None when some tenant has no iteration with times, or when there was no such interval.
std::optional<WindowRecord> overlap_window(std::span<const std::vector<Iteration>> tenants,
                                           std::optional<double> stop_s);

// Whether the iteration is complete, ok, and wholly inside. Without a window all that are ok count.
bool counts(const Iteration& iteration, const std::optional<WindowRecord>& window);

// What of one iteration lies in the window: 1 request, or the part of one at an edge; its tokens likewise. Nothing of
// one that is not ok.
struct PartInside {
  double requests = 0, tokens_in = 0, tokens_out = 0;
};
PartInside part_inside(const Iteration& iteration, const std::optional<WindowRecord>& window);

struct WindowedSamples {
  std::vector<double> latency_ms, ttft_ms, tpot_ms;    // in order of time, of the iterations that count
  double requests = 0, tokens_in = 0, tokens_out = 0;  // with the parts of requests at the edges
  double duration_s = 0;                               // of the window; without one: first start to last end
  double tokens() const { return tokens_in + tokens_out; }
};

WindowedSamples samples_inside(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window);

// The end of the last ok iteration from the first start, in s; none without times.
std::optional<double> completion_s(std::span<const Iteration> iterations);

// All of the above as figures. `generates`: tokens_per_s counts tokens_out alone, else tokens_in.
TenantSummary summarize(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window,
                        bool generates);

LatencySummary summarize_latencies(std::vector<double> latencies_ms);

}  // namespace cotenant
