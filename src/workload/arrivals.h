#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "workload/draws.h"
#include "workload/spec.h"

namespace cotenant {

// The instants of an open loop, from its start, to the nanosecond the same on every machine. They depend on nothing but
// the loop and the seed: who asks late gets the same ones.
//
// A renewal process with gaps of mean 1 is stretched by the inverse of the expected number of requests, so that every
// law goes with every change of the rate. Each instant is computed from the whole of that number and rounded once:
// errors do not add up, and those of a constant rate lie within 0.5 ns of i / rate for days.
class OpenInstants {
 public:
  OpenInstants(OpenLoop loop, uint64_t seed);

  // Never less than the one before; none: no more will come.
  std::optional<int64_t> next_ns();

 private:
  double gap();  // in requests expected meanwhile
  void leave_part();

  const OpenLoop loop_;
  Draws draws_;
  size_t part_ = 0;
  int64_t part_begin_ns_ = 0;
  double expected_ = 0;         // requests up to the next one
  double expected_before_ = 0;  // of these, in parts that are over
  bool first_ = true, over_ = false;
};

}  // namespace cotenant
