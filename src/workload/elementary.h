#pragma once

// Logarithm and exponential that give the same bits on every machine. Those of the C library may differ in their last
// bit from one version to the next, and one bit is enough to make another workload of the same seed. These use only
// operations that IEEE 754 defines to the last bit, in a fixed order; the room is compiled without contraction into
// fused multiply-adds, and never with -ffast-math.
namespace cotenant {

// Within 2 units in the last place, next to 1 too. x > 0 and finite.
double natural_log(double x);

// Within 2 units in the last place. 0 and infinity where the result is out of range.
double exponential(double x);

}  // namespace cotenant
