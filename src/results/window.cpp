#include "results/window.h"

#include <algorithm>
#include <limits>

#include "stats/streamed_quantiles.h"

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

LatencySummary summary_of(const StreamedQuantiles& of) {
  LatencySummary summary;
  summary.count = static_cast<int64_t>(of.count());
  if (of.count() == 0) return summary;
  summary.mean_ms = of.mean();
  summary.min_ms = of.min();
  summary.p50_ms = of.at(0);
  summary.p90_ms = of.at(1);
  summary.p95_ms = of.at(2);
  summary.p99_ms = of.at(3);
  summary.max_ms = of.max();
  return summary;
}

// What one window makes of iterations that are gone through again and again.
class WindowFigures {
 public:
  explicit WindowFigures(const std::optional<WindowRecord>& window) : window_(window), tally_(window) {}

  bool begin_pass() {
    bool any = false;
    for (StreamedQuantiles* one : {&latency_, &ttft_, &tpot_}) any = one->begin_pass() || any;
    return any;
  }

  void add(const Iteration& iteration, bool first_pass) {
    if (first_pass) tally_.add(iteration);
    if (!counts(iteration, window_)) return;
    latency_.add(iteration.latency_ms);
    if (iteration.ttft_ms) ttft_.add(*iteration.ttft_ms);
    if (iteration.tpot_ms) tpot_.add(*iteration.tpot_ms);
  }

  TenantSummary summary(bool generates) const {
    TenantSummary summary;
    summary.completed = tally_.completed;
    summary.rejected = tally_.rejected;
    summary.failed = tally_.failed;
    summary.latency = summary_of(latency_);
    summary.ttft = summary_of(ttft_);
    summary.tpot = summary_of(tpot_);
    summary.completion_s = tally_.completion_s();
    if (const double duration_s = tally_.duration_s(); duration_s > 0) {
      summary.requests_per_s = tally_.requests / duration_s;
      summary.tokens_in_per_s = tally_.tokens_in / duration_s;
      summary.tokens_out_per_s = tally_.tokens_out / duration_s;
      summary.tokens_per_s = generates ? summary.tokens_out_per_s : summary.tokens_in_per_s;
    }
    return summary;
  }

 private:
  std::optional<WindowRecord> window_;
  Tally tally_;
  StreamedQuantiles latency_{{0.5, 0.9, 0.95, 0.99}}, ttft_ = latency_, tpot_ = latency_;
};

}  // namespace

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

std::optional<WindowRecord> overlap_window(std::span<const Tally> tenants, std::optional<double> stop_s) {
  WindowRecord window{-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  for (const Tally& tally : tenants) {
    window.start_s = std::max(window.start_s, tally.first_start_s());
    if (!stop_s) window.end_s = std::min(window.end_s, tally.last_end_s());
  }
  if (stop_s) window.end_s = *stop_s;
  if (tenants.empty() || !(window.end_s > window.start_s)) return std::nullopt;
  return window;
}

std::vector<TenantSummary> summarize(const IterationSource& iterations,
                                     std::span<const std::optional<WindowRecord>> windows, bool generates) {
  std::vector<WindowFigures> figures(windows.begin(), windows.end());
  for (bool first = true;; first = false) {
    bool any = false;
    for (WindowFigures& one : figures) any = one.begin_pass() || any;
    if (!any) break;
    iterations([&](const Iteration& iteration) {
      for (WindowFigures& one : figures) one.add(iteration, first);
    });
  }
  std::vector<TenantSummary> summaries;
  for (const WindowFigures& one : figures) summaries.push_back(one.summary(generates));
  return summaries;
}

TenantSummary summarize(std::span<const Iteration> iterations, const std::optional<WindowRecord>& window,
                        bool generates) {
  const auto each = [iterations](const std::function<void(const Iteration&)>& use) {
    std::ranges::for_each(iterations, use);
  };
  return summarize(each, std::span(&window, 1), generates).front();
}

}  // namespace cotenant
