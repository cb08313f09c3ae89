#pragma once

#include <cuda_runtime.h>

#include "engine/native/cuda/tensor_core.cuh"

namespace cotenant {

// What a norm needs of a row: y = (x - mean) * rstd * scale + shift. The mean is 0 for RMSNorm.
struct RowStatistics {
  float mean, rstd;
};

// Count, mean and sum of squared deviations of a set of values, which can be merged without cancellation (Chan, Golub
// and LeVeque 1979).
struct Moments {
  float count = 0, mean = 0, deviations = 0;

  __device__ void merge(const Moments& other) {
    const float sum = count + other.count;
    if (sum == 0) return;
    const float difference = other.mean - mean, share = other.count / sum;
    deviations += other.deviations + difference * difference * count * share;
    mean += difference * share;
    count = sum;
  }
};

// Moments of 8 values; without `centered`, deviations are from 0.
template <typename T>
__device__ Moments moments_of_8(const uint4& bits, bool centered) {
  const uint32_t pairs[4] = {bits.x, bits.y, bits.z, bits.w};
  float v[8];
  Moments m{.count = 8};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = unpack_pair<T>(pairs[i]);
    v[2 * i] = pair.x;
    v[2 * i + 1] = pair.y;
    m.mean += (pair.x + pair.y) * 0.125f;
  }
  if (!centered) m.mean = 0;
#pragma unroll
  for (int i = 0; i < 8; ++i) m.deviations += (v[i] - m.mean) * (v[i] - m.mean);
  return m;
}

// Statistics of each of `rows` rows of x [rows, width] into shared memory, by all threads of the block, up to 16 rows
// and 16 warps; width a multiple of 8. Ends with a barrier.
template <typename T>
__device__ void row_statistics(RowStatistics* statistics, const T* x, int rows, int width, bool centered, float eps) {
  __shared__ Moments of_warps[16][16];
  const int warp = threadIdx.x / 32, warps = blockDim.x / 32, lane = threadIdx.x % 32;
  for (int row = 0; row < rows; ++row) {
    Moments m;
    for (int i = threadIdx.x; i < width / 8; i += blockDim.x) {
      // Not through L1: it may hold what the row was before the last kernel wrote it.
      m.merge(
          moments_of_8<T>(__ldcg(reinterpret_cast<const uint4*>(x + static_cast<int64_t>(row) * width) + i), centered));
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
      m.merge({.count = __shfl_xor_sync(~0u, m.count, distance),
               .mean = __shfl_xor_sync(~0u, m.mean, distance),
               .deviations = __shfl_xor_sync(~0u, m.deviations, distance)});
    }
    if (lane == 0) of_warps[row][warp] = m;
  }
  __syncthreads();
  if (threadIdx.x < rows) {
    Moments m;
    for (int w = 0; w < warps; ++w) m.merge(of_warps[threadIdx.x][w]);
    statistics[threadIdx.x] = {m.mean, rsqrtf(m.deviations / static_cast<float>(width) + eps)};
  }
  __syncthreads();
}

}  // namespace cotenant
