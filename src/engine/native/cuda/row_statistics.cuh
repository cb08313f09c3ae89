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
  float count, mean, deviations;

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
  Moments m{.count = 8, .mean = 0, .deviations = 0};
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

// Statistics of each of `rows` rows of x [rows, width] into shared memory, by all threads of the block: up to 16 rows,
// up to 16 warps; width a multiple of 8. Ends with a barrier.
template <typename T>
__device__ void row_statistics(RowStatistics* statistics, const T* x, int rows, int width, bool centered, float eps) {
  __shared__ Moments moments[16];
  const int warp = threadIdx.x / 32, warps = blockDim.x / 32, lane = threadIdx.x % 32;
  const int share = max(1, warps / rows);  // warps of a row
  for (int row = warp / share; row < rows; row += warps / share) {
    // Not through L1: it may hold what the row was before the last kernel wrote it.
    const auto* packs = reinterpret_cast<const uint4*>(x + static_cast<int64_t>(row) * width);
    Moments m{};
    constexpr int together = 4;  // loads whose latencies overlap
    for (int first = warp % share * 32 + lane; first < width / 8; first += together * share * 32) {
      uint4 values[together];
#pragma unroll
      for (int j = 0; j < together; ++j) {
        const int i = first + j * share * 32;
        values[j] = i < width / 8 ? __ldcg(packs + i) : uint4{};
      }
#pragma unroll
      for (int j = 0; j < together; ++j)
        if (first + j * share * 32 < width / 8) m.merge(moments_of_8<T>(values[j], centered));
    }
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) {
      m.merge({.count = __shfl_xor_sync(~0u, m.count, distance),
               .mean = __shfl_xor_sync(~0u, m.mean, distance),
               .deviations = __shfl_xor_sync(~0u, m.deviations, distance)});
    }
    if (lane == 0) moments[row * share + warp % share] = m;
  }
  __syncthreads();
  if (threadIdx.x < rows) {
    Moments m{};
    for (int i = 0; i < share; ++i) m.merge(moments[threadIdx.x * share + i]);
    statistics[threadIdx.x] = {m.mean, rsqrtf(m.deviations / static_cast<float>(width) + eps)};
  }
  __syncthreads();
}

}  // namespace cotenant
