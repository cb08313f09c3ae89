#pragma once

#include <cstddef>
#include <cstdint>

namespace cotenant::made {

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, seeded, and the same on every machine, which the
// distributions of <random> are not.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // In [0, bound), with a bias below bound / 2^64.
  size_t below(size_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<size_t>((static_cast<Wide>(next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

}  // namespace cotenant::made
