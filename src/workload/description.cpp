#include "workload/description.h"

#include "base/error.h"
#include "base/text.h"
#include "workload/trace.h"

namespace cotenant {

Arrivals arrivals_of(const WorkloadDescription& workload) {
  switch (workload.kind) {
    case WorkloadKind::closed:
      break;
    case WorkloadKind::constant:
      return constant_arrivals(workload.rate);
    case WorkloadKind::poisson:
      return poisson_arrivals(workload.rate);
    case WorkloadKind::gamma:
      return gamma_arrivals(workload.rate, workload.cv);
    case WorkloadKind::steps:
      return step_arrivals(workload.steps, workload.cv);
    case WorkloadKind::ramp:
      return ramp_arrivals(workload.from, workload.to, workload.duration_s, workload.cv);
    case WorkloadKind::trace:
      return Replay{std::make_shared<const Trace>(
          read_trace(expand_home(workload.path), {.speedup = workload.speedup, .limit = workload.limit}))};
  }
  return ClosedLoop{.concurrency = workload.concurrency, .think_s = workload.think_s};
}

Length length_of(const LengthDescription& length) {
  switch (length.kind) {
    case LengthKind::fixed:
      return length.most;
    case LengthKind::uniform:
      return UniformLength{.least = length.least, .most = length.most};
    case LengthKind::lognormal:
      return LognormalLength{
          .mean = length.mean, .sigma = sigma_of_cv(length.cv), .least = length.least, .most = length.most};
    case LengthKind::trace:
      return TracedLength{};
  }
  throw internal_error("length_of", "unknown kind of length");
}

}  // namespace cotenant
