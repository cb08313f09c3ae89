// Any bytes as events.jsonl: iterations whose figures can be worked with, or an Error.
#include <cmath>

#include "input.h"
#include "results/reader.h"
#include "results/window.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace cotenant;
  const auto file = file_with(text_of(data, size), "events.jsonl");
  must_read_or_refuse([&] {
    std::vector<Iteration> iterations;
    const EventFile read = read_events(file, [&](const Iteration& iteration) { iterations.push_back(iteration); });
    if (read.iterations != iterations.size() || read.iterations > read.lines) std::abort();
    const TenantSummary summary = summarize(iterations, overlap_window({{iterations}}, std::nullopt), true);
    if (!std::isfinite(summary.latency.mean_ms) || summary.latency.min_ms < 0) std::abort();
    if (summary.latency.p50_ms > summary.latency.max_ms) std::abort();
  });
  must_read_or_refuse([&] { peek_run_start(file); });
  return 0;
}
