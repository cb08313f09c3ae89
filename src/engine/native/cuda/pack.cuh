#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

// Values of f32, f16 and bf16 memory as floats, n at a time by one aligned access.
namespace cotenant {

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__half value) {
  return __half2float(value);
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <typename T>
__device__ T from_float(float value) {
  if constexpr (sizeof(T) == 4)
    return value;
  else if constexpr (std::is_same_v<T, __half>)
    return __float2half_rn(value);
  else
    return __float2bfloat16_rn(value);
}

// 16 bytes of T.
template <typename T>
inline constexpr int pack_size = 16 / static_cast<int>(sizeof(T));

// Calls f with the number of values a thread takes at once: 16 bytes where `width` allows it, else one.
template <typename T, typename F>
void with_pack(int64_t width, F&& f) {
  if (width % pack_size<T> == 0) return f(std::integral_constant<int, pack_size<T>>{});
  f(std::integral_constant<int, 1>{});
}

template <typename T, int n>
struct alignas(sizeof(T) * n) Pack {
  T values[n];
};

template <typename T, int n>
__device__ void load(const T* from, float (&to)[n]) {
  const Pack<T, n> pack = *reinterpret_cast<const Pack<T, n>*>(from);
#pragma unroll
  for (int i = 0; i < n; ++i) to[i] = to_float(pack.values[i]);
}

template <typename T, int n>
__device__ void store(T* to, const float (&from)[n]) {
  Pack<T, n> pack;
#pragma unroll
  for (int i = 0; i < n; ++i) pack.values[i] = from_float<T>(from[i]);
  *reinterpret_cast<Pack<T, n>*>(to) = pack;
}

}  // namespace cotenant
