#pragma once

#include <cstdint>
#include <optional>

#include "driver/plan.h"

namespace cotenant {

// How long a phase may take before a tenant in it is given up. Generous: they end what hangs, not what is slow.
struct Deadlines {
  double load_s, prepare_s, warm_s;  // prepare: of each tenant
  double leave_s;                    // after the run

  // `longest_pass_s` as measured in the warm-up.
  double stop_s(double longest_pass_s) const { return fixed_s.value_or(30 + 3 * longest_pass_s); }
  // Between two finished requests of a running tenant.
  double stall_s(double longest_pass_s) const { return fixed_s.value_or(60 + 50 * longest_pass_s); }
  std::optional<double> fixed_s;  // every phase has this one instead

  static Deadlines of(const RunPlan& plan, std::optional<double> fixed_s);
};

}  // namespace cotenant
