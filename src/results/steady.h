#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "results/event.h"
#include "results/record.h"

// Whether a tenant had settled: its throughput and its mean latency in the last three of five equal parts of the
// window, the beginning of which may be a warm-up that was too short. Driver and analysis both have it from here.
namespace cotenant {

// What the greatest of the three may exceed the least by, of their mean. The rule of Triton's perf_analyzer, which asks
// it of three measurements in a row.
inline constexpr double most_unsteady = 0.1;

// Each part is five blocks. More than most_unsteady counts only where the range of the three means is also more than 15
// blocks of one mean show in one of a hundred runs: Tukey's studentized range of 3 groups with 12 degrees of freedom,
// 5.05, of the deviation within parts over the root of 5. So a few requests that differ are no change.
class SteadyTally {
 public:
  explicit SteadyTally(const WindowRecord& window) : window_(window) {}

  void add(const Iteration& iteration);
  // Without a verdict where a block has no request that ended in it.
  SteadyRecord result() const;

 private:
  static constexpr size_t parts = 3, of_parts = 5, blocks_of_part = 5, blocks = parts * blocks_of_part;
  struct Block {
    double requests = 0;    // pro rata
    double latency_ms = 0;  // sum, of those that ended in it
    int64_t ended = 0;
  };
  double block_s() const { return window_.duration_s() / (of_parts * blocks_of_part); }
  double begin_s() const { return window_.end_s - blocks * block_s(); }

  WindowRecord window_;
  std::array<Block, blocks> blocks_{};
};

// "a had not settled: in the last three fifths of the window its mean latency was 3.1, 3.9, 4.6 ms"
std::string unsteady_text(const TenantRecord& tenant);

}  // namespace cotenant
