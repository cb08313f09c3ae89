#include "results/steady.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "results/window.h"

namespace cotenant {
namespace {

constexpr double studentized_range = 5.05;  // of 3 groups, 12 degrees of freedom, at 1 %

struct Means {
  std::vector<double> of_parts;
  double spread = 0;    // (greatest - least) / mean
  bool differ = false;  // by more than the blocks within the parts explain
};

Means means_of(std::span<const double> blocks, size_t blocks_of_part) {
  Means means;
  double squares = 0;
  for (size_t at = 0; at < blocks.size(); at += blocks_of_part) {
    const auto part = blocks.subspan(at, blocks_of_part);
    const double mean = std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(part.size());
    for (const double block : part) squares += (block - mean) * (block - mean);
    means.of_parts.push_back(mean);
  }
  const auto [least, greatest] = std::ranges::minmax(means.of_parts);
  const double all =
      std::accumulate(means.of_parts.begin(), means.of_parts.end(), 0.0) / static_cast<double>(means.of_parts.size());
  means.spread = all > 0 ? (greatest - least) / all : 0;
  const double deviation = std::sqrt(squares / static_cast<double>(blocks.size() - means.of_parts.size()));
  means.differ = greatest - least > studentized_range * deviation / std::sqrt(static_cast<double>(blocks_of_part));
  return means;
}

}  // namespace

void SteadyTally::add(const Iteration& iteration) {
  if (iteration.status != IterationStatus::ok || !iteration.start_s || !iteration.end_s || block_s() <= 0) return;
  const auto block_at = [&](double at_s) { return std::floor((at_s - begin_s()) / block_s()); };
  const double first = std::max(block_at(*iteration.start_s), 0.0), last = block_at(*iteration.end_s);
  if (last < 0 || first >= blocks) return;
  for (auto i = static_cast<size_t>(first); i < blocks && static_cast<double>(i) <= last; ++i) {
    const double from_s = begin_s() + static_cast<double>(i) * block_s();
    blocks_[i].requests += part_inside(iteration, WindowRecord{from_s, from_s + block_s()}).requests;
  }
  if (last >= blocks) return;
  Block& block = blocks_[static_cast<size_t>(last)];
  block.latency_ms += iteration.latency_ms;
  ++block.ended;
}

SteadyRecord SteadyTally::result() const {
  SteadyRecord record;
  std::vector<double> rates, latencies_ms;
  for (const Block& block : blocks_) {
    if (block.ended == 0) return record;
    rates.push_back(block.requests / block_s());
    latencies_ms.push_back(block.latency_ms / static_cast<double>(block.ended));
  }
  const Means rate = means_of(rates, blocks_of_part), latency = means_of(latencies_ms, blocks_of_part);
  record.rates_per_s = rate.of_parts;
  record.latencies_ms = latency.of_parts;
  record.rate_spread = rate.spread;
  record.latency_spread = latency.spread;
  record.rate_changed = rate.differ && rate.spread > most_unsteady;
  record.latency_changed = latency.differ && latency.spread > most_unsteady;
  return record;
}

std::string unsteady_text(const TenantRecord& tenant) {
  const SteadyRecord& steady = tenant.steady;
  const std::string what = steady.latency_changed.value_or(false)
                               ? fmt::format("its mean latency was {:.3g} ms", fmt::join(steady.latencies_ms, ", "))
                               : fmt::format("it served {:.4g} requests/s", fmt::join(steady.rates_per_s, ", "));
  return fmt::format("{} had not settled: in the last three fifths of the window {}", tenant.name, what);
}

}  // namespace cotenant
