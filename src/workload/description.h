#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/words.h"
#include "workload/spec.h"

namespace cotenant {

enum class WorkloadKind : uint8_t { closed, constant, poisson, gamma, steps, ramp, trace };
template <>
inline constexpr auto words_of<WorkloadKind> =
    std::array{Word{WorkloadKind::closed, "closed"},   Word{WorkloadKind::constant, "constant"},
               Word{WorkloadKind::poisson, "poisson"}, Word{WorkloadKind::gamma, "gamma"},
               Word{WorkloadKind::steps, "steps"},     Word{WorkloadKind::ramp, "ramp"},
               Word{WorkloadKind::trace, "trace"}};

enum class LengthKind : uint8_t { fixed, uniform, lognormal, trace };
template <>
inline constexpr auto words_of<LengthKind> =
    std::array{Word{LengthKind::fixed, "fixed"}, Word{LengthKind::uniform, "uniform"},
               Word{LengthKind::lognormal, "lognormal"}, Word{LengthKind::trace, "trace"}};

// How many tokens a prompt, or an answer, has.
struct LengthDescription {
  LengthKind kind = LengthKind::fixed;
  int least = 0, most = 0;  // fixed: most is the length
  double mean = 0, cv = 0;  // lognormal: of lengths without bounds
};
Length length_of(const LengthDescription& length);

// When a tenant's requests come, as a user writes it (docs/configuration.md): plain data, of which each kind has its
// own.
struct WorkloadDescription {
  WorkloadKind kind = WorkloadKind::closed;
  int concurrency = 1;  // closed
  double think_s = 0;
  double rate = 0;          // constant, poisson, gamma: requests/s
  double cv = 1;            // gamma, steps, ramp: of the gaps
  std::vector<Step> steps;  // steps
  double from = 0, to = 0;  // ramp: requests/s
  double duration_s = 0;
  std::string path;  // trace
  double speedup = 1;
  int64_t limit = 0;                                             // 0: all requests
  int max_queue = 1 << 16;                                       // all but closed
  std::optional<LengthDescription> input_tokens, output_tokens;  // none: all of the tenant's one length

  bool is_open() const { return kind != WorkloadKind::closed; }
};

// Reads the trace where there is one: throws as read_trace.
Arrivals arrivals_of(const WorkloadDescription& workload);

}  // namespace cotenant
