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
    std::vector<Tally> tenants(1);
    for (const Iteration& iteration : iterations) tenants[0].add(iteration);
    const LatencySummary latency = summarize(iterations, overlap_window(tenants, std::nullopt), true).latency;
    if (latency.count == 0) return;
    if (!std::isfinite(latency.mean_ms.value()) || latency.min_ms.value() < 0) std::abort();
    if (latency.p50_ms.value() > latency.max_ms.value()) std::abort();
  });
  must_read_or_refuse([&] { peek_run_start(file); });
  return 0;
}
