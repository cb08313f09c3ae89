#pragma once

#include <cstdint>

// Vectors of floats by the compiler's extension, as wide as the instruction set that the including file is compiled
// for. Everything has internal linkage: code for AVX-512 must not stand in for anybody else's.
namespace cotenant {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16;
#elif defined(__AVX2__)
constexpr int lanes = 8;
#else
constexpr int lanes = 4;
#endif

using Floats = float __attribute__((vector_size(lanes * 4)));
using Ints = int32_t __attribute__((vector_size(lanes * 4)));
using Words = uint32_t __attribute__((vector_size(lanes * 4)));
using Halves = uint16_t __attribute__((vector_size(lanes * 2)));
using FloatsAnywhere = float __attribute__((vector_size(lanes * 4), aligned(4), may_alias));
using HalvesAnywhere = uint16_t __attribute__((vector_size(lanes * 2), aligned(2), may_alias));

struct Bf16 {
  uint16_t bits;
};

inline Floats all(float x) {
  return x - Floats{};
}

inline Floats load(const float* p) {
  return *reinterpret_cast<const FloatsAnywhere*>(p);
}
inline void store(float* p, Floats x) {
  *reinterpret_cast<FloatsAnywhere*>(p) = x;
}

inline Floats load(const Bf16* p) {
  const Halves bits = *reinterpret_cast<const HalvesAnywhere*>(p);
  return reinterpret_cast<Floats>(__builtin_convertvector(bits, Words) << 16);
}
// Rounds to nearest even; NaN stays NaN.
inline void store(Bf16* p, Floats x) {
  const Words bits = reinterpret_cast<Words>(x);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words kept = x == x ? rounded : (bits >> 16) | 0x40u;
  *reinterpret_cast<HalvesAnywhere*>(p) = __builtin_convertvector(kept, Halves);
}

inline float load_one(const float* p) {
  return *p;
}
inline float load_one(const Bf16* p) {
  return __builtin_bit_cast(float, static_cast<uint32_t>(p->bits) << 16);
}
inline void store_one(float* p, float x) {
  *p = x;
}
inline void store_one(Bf16* p, float x) {
  const auto bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  p->bits = static_cast<uint16_t>(x == x ? rounded : (bits >> 16) | 0x40u);
}

inline Floats max(Floats a, Floats b) {
  return a > b ? a : b;
}
inline Floats min(Floats a, Floats b) {
  return a < b ? a : b;
}

inline float sum(Floats x) {
  float total = 0;
  for (int i = 0; i < lanes; ++i) total += x[i];
  return total;
}
inline float largest(Floats x) {
  float best = x[0];
  for (int i = 1; i < lanes; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// 2^x for x <= 126, relative error 1.2e-7; 0 below -126. The polynomial fits 2^r on [-1/2, 1/2] with the least
// largest relative error (2e-9 before rounding).
inline Floats exp2(Floats x) {
  const Floats magic = all(0x1.8p23f);  // adding it rounds to an integer, which then stands in the lowest bits
  const Floats clamped = max(x, all(-126));
  const Floats shifted = clamped + magic;
  const Floats r = clamped - (shifted - magic);
  Floats p = all(1.5353361e-4f);
  p = p * r + 1.3398875e-3f;
  p = p * r + 9.6184369e-3f;
  p = p * r + 5.5503324e-2f;
  p = p * r + 2.4022648e-1f;
  p = p * r + 6.9314718e-1f;
  p = p * r + 1.0f;
  const Words scale = (reinterpret_cast<Words>(shifted) << 23) + (127u << 23);
  const Floats y = p * reinterpret_cast<Floats>(scale);
  return x < all(-126) ? Floats{} : y;
}

constexpr float log2_e = 1.44269504088896340736f;

}  // namespace
}  // namespace cotenant
