#pragma once

#include <string>

#include "results/record.h"
#include "results/window.h"

// Which requests met a tenant's objectives. Driver and analysis both use it, so their numbers cannot differ.
namespace cotenant {

// Whether it completed within every limit. A request of one token has no time per output token, and so none too long;
// one without a time to its first token met none.
bool meets(const Iteration& iteration, const Objectives& slo);

// Whether fewer requests met the objectives than slo.percentile asks for; also where none ended in the window.
bool misses_threshold(const TenantRecord& tenant);
// "a: 93.2% of 1200 requests met slo (ttft_ms 200, tpot_ms 30), and percentile asks for 99%"
std::string missed_threshold_text(const TenantRecord& tenant);

// Running sums over one tenant's iterations.
class AttainmentTally {
 public:
  // Without a window everything counts. `generates`: tokens are those of the output, else of the input.
  AttainmentTally(const Objectives& slo, const std::optional<WindowRecord>& window, bool generates)
      : slo_(slo), window_(window), generates_(generates) {}

  void add(const Iteration& iteration);
  AttainmentRecord over(double duration_s) const;  // per second of it; of no time: no goodput

 private:
  Objectives slo_;
  std::optional<WindowRecord> window_;
  bool generates_;
  AttainmentRecord counted_;
  int64_t tokens_ = 0;
};

}  // namespace cotenant
