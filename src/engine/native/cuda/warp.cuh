#pragma once

// Device code: reductions over groups of neighbouring lanes of a warp. Every lane of the warp takes part and gets its
// group's result.
namespace cotenant {

template <int lanes = 32>
__device__ inline float sum_over(float value) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

template <int lanes = 32, typename T>
__device__ inline T max_over(T value) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2) value = max(value, __shfl_xor_sync(~0u, value, distance));
  return value;
}

}  // namespace cotenant
