#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define COTENANT_HOST_DEVICE __host__ __device__
#else
// Always inlined: files compiled for newer instruction sets include this, and their copies must not be everybody's.
#define COTENANT_HOST_DEVICE [[gnu::always_inline]]
#endif

// Random weights: a pure function of (key, index), so that a CPU, a GPU and any number of threads make the same ones
// without storing them. The hash is splitmix64's finaliser (Steele, Lea, Flood 2014).
namespace cotenant {

struct RandomFill {
  uint64_t key = 0;  // of one tensor: from the seed and the tensor's name
  float mean = 0;
  float half_width = 0;  // uniform in [mean - half_width, mean + half_width)
};

COTENANT_HOST_DEVICE inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

COTENANT_HOST_DEVICE inline float random_value(const RandomFill& fill, uint64_t index) {
  const auto bits = static_cast<int32_t>(mix64(fill.key ^ index) >> 40);  // 24 bits: exact in a float
  return fill.mean + fill.half_width * (static_cast<float>(bits - (1 << 23)) * 0x1p-23f);
}

}  // namespace cotenant
