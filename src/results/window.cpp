#include "results/window.h"

#include <algorithm>
#include <limits>

#include "stats/describe.h"

namespace cotenant {
namespace {

bool has_times(const Iteration& iteration) {
  return iteration.start_s && iteration.end_s && iteration.status == IterationStatus::ok;
}

// The part of [start, end] that lies in the window, in [0, 1].
double share_inside(double start_s, double end_s, const std::optional<WindowRecord>& window) {
  if (!window) return 1;
  if (end_s <= start_s) return start_s >= window->start_s && end_s <= window->end_s ? 1 : 0;
  const double inside = std::min(end_s, window->end_s) - std::max(start_s, window->start_s);
  return std::clamp(inside / (end_s - start_s), 0.0, 1.0);
}

// Generated tokens are counted one by one, where their times are known. A time stands for one token of every row.
double tokens_out_inside(const Iteration& iteration, double share, const std::optional<WindowRecord>& window) {
  const auto tokens = static_cast<double>(iteration.tokens_out.value_or(0));
  if (!window || iteration.token_s.empty()) return tokens * share;
  const auto inside = std::ranges::count_if(
      iteration.token_s, [&](double at_s) { return at_s >= window->start_s && at_s <= window->end_s; });
  return tokens * static_cast<double>(inside) / static_cast<double>(iteration.token_s.size());
}

}  // namespace

std::optional<WindowRecord> overlap_window(std::span<const std::vector<Iteration>> tenants,
                                           std::optional<double> stop_s) {
  WindowRecord window{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (const auto& iterations : tenants) {
    Tally tally;
    for (const Iteration& iteration : iterations) tally.add(iteration);
    window.start_s = std::max(window.start_s, tally.first_start_s());
    if (!stop_s) window.end_s = std::min(window.end_s, tally.last_end_s());
  }
  if (stop_s) window.end_s = *stop_s;
  if (tenants.empty() || !(window.end_s > window.start_s)) return std::nullopt;
  return window;
}

bool counts(const Iteration& iteration, const std::optional<WindowRecord>& window) {
  if (iteration.status != IterationStatus::ok) return false;
  if (!window || !iteration.start_s || !iteration.end_s) return true;
  return *iteration.start_s >= window->start_s && *iteration.end_s <= window->end_s;
}

PartInside part_inside(const Iteration& iteration, const std::optional<WindowRecord>& window) {
  if (iteration.status != IterationStatus::ok) return {};
  const double share = has_times(iteration) ? share_inside(*iteration.start_s, *iteration.end_s, window) : 1;
  return {share, static_cast<double>(iteration.tokens_in.value_or(0)) * share,
          tokens_out_inside(iteration, share, window)};
}

void Tally::add(const Iteration& iteration) {
  completed += iteration.status == IterationStatus::ok;
  rejected += iteration.status == IterationStatus::rejected;
  failed += iteration.status == IterationStatus::failed;
  if (iteration.status != IterationStatus::ok) return;
  latencies_ms_ += iteration.latency_ms;
  if (has_times(iteration)) {
    first_start_s_ = std::min(first_start_s_, *iteration.start_s);
    last_end_s_ = std::max(last_end_s_, *iteration.end_s);
  }
  const PartInside part = part_inside(iteration, window_);
  requests += part.requests;
  tokens_in += part.tokens_in;
  tokens_out += part.tokens_out;
}

std::optional<double> Tally::completion_s() const {
  const double duration_s = last_end_s_ - first_start_s_;
  return duration_s >= 0 ? std::optional(duration_s) : std::nullopt;
}

double Tally::duration_s() const {
  return window_ ? window_->duration_s() : completion_s().value_or(latencies_ms_ * 1e-3);
}

std::vector<double> latencies_inside(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window) {
  std::vector<double> latencies_ms;
  for (const Iteration& iteration : iterations)
    if (counts(iteration, window)) latencies_ms.push_back(iteration.latency_ms);
  return latencies_ms;
}

LatencySummary summarize_latencies(std::vector<double> latencies_ms) {
  LatencySummary summary;
  summary.count = static_cast<int64_t>(latencies_ms.size());
  if (latencies_ms.empty()) return summary;
  std::ranges::sort(latencies_ms);
  summary.mean_ms = mean(latencies_ms);
  summary.min_ms = latencies_ms.front();
  summary.p50_ms = percentile(latencies_ms, 0.5);
  summary.p90_ms = percentile(latencies_ms, 0.9);
  summary.p95_ms = percentile(latencies_ms, 0.95);
  summary.p99_ms = percentile(latencies_ms, 0.99);
  summary.max_ms = latencies_ms.back();
  return summary;
}

TenantSummary summarize(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window,
                        bool generates) {
  Tally tally(window);
  std::vector<double> ttft_ms, tpot_ms;
  for (const Iteration& iteration : iterations) {
    tally.add(iteration);
    if (!counts(iteration, window)) continue;
    if (iteration.ttft_ms) ttft_ms.push_back(*iteration.ttft_ms);
    if (iteration.tpot_ms) tpot_ms.push_back(*iteration.tpot_ms);
  }
  TenantSummary summary;
  summary.completed = tally.completed;
  summary.rejected = tally.rejected;
  summary.failed = tally.failed;
  summary.latency = summarize_latencies(latencies_inside(iterations, window));
  summary.ttft = summarize_latencies(std::move(ttft_ms));
  summary.tpot = summarize_latencies(std::move(tpot_ms));
  summary.completion_s = tally.completion_s();
  if (const double duration_s = tally.duration_s(); duration_s > 0) {
    summary.requests_per_s = tally.requests / duration_s;
    summary.tokens_in_per_s = tally.tokens_in / duration_s;
    summary.tokens_out_per_s = tally.tokens_out / duration_s;
    summary.tokens_per_s = generates ? summary.tokens_out_per_s : summary.tokens_in_per_s;
  }
  return summary;
}

}  // namespace cotenant
