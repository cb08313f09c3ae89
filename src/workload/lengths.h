#pragma once

#include <cstddef>

#include "workload/draws.h"
#include "workload/spec.h"
#include "workload/trace.h"

namespace cotenant {

// The lengths of one request after the other, the same on every machine.
class Lengths {
 public:
  // `traced`: which field of a trace's request TracedLength is. `trace`: null where there is none; outlives this.
  Lengths(const Length& length, uint64_t seed, Draws::Purpose purpose, const Trace* trace,
          int32_t TraceRequest::*traced);

  int next(size_t index);  // of the trace's request with that index

 private:
  const Length length_;
  Draws draws_;
  double log_median_ = 0;  // of lognormal lengths
  const Trace* const trace_;
  int32_t TraceRequest::*const traced_;
};

}  // namespace cotenant
