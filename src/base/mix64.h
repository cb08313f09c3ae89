#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define COTENANT_HOST_DEVICE __host__ __device__
#else
// Always inlined: files compiled for newer instruction sets include this, and their copies must not be everybody's.
#define COTENANT_HOST_DEVICE [[gnu::always_inline]]
#endif

namespace cotenant {

// One number of splitmix64 (Steele, Lea, Flood 2014): its step, then its finaliser. Everything random here is made of
// it, because it is the same on every machine.
COTENANT_HOST_DEVICE inline uint64_t mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

}  // namespace cotenant
