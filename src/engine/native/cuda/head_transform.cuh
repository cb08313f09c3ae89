#pragma once

#include <cstdint>

#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/tensor_core.cuh"
#include "engine/native/cuda/warp.cuh"

// transform_qkv's work on one head in the registers of a quad of lanes, for kernels that have q and k there anyway.
namespace cotenant {

constexpr int most_pairs = 64;  // of a head that is rotated

// What happens to q, and to k on its way into the cache.
template <typename T>
struct HeadTransform {
  const float* rope;  // or none
  const T* q_scale;   // or none
  const T* k_scale;
  float eps;
};

// The row of the rotation table that belongs to a position, to shared memory: cos and sin of each pair.
template <typename T>
__device__ void fetch_turn(float (&turn)[2 * most_pairs], const HeadTransform<T>& a, int head_dim, int position) {
  const int i = 4 * threadIdx.x;
  if (a.rope && i < head_dim)
    *reinterpret_cast<float4*>(turn + i) =
        __ldg(reinterpret_cast<const float4*>(a.rope + static_cast<int64_t>(position) * head_dim + i));
}

template <typename T>
__device__ void unpack_eight(const uint4& packed, float (&values)[8]) {
  const uint32_t pairs[4] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 pair = unpack_pair<T>(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

template <typename T>
__device__ uint4 pack_eight(const float (&values)[8]) {
  return {pack_pair<T>(values[0], values[1]), pack_pair<T>(values[2], values[3]), pack_pair<T>(values[4], values[5]),
          pack_pair<T>(values[6], values[7])};
}

// Norms (with a scale) and rotates (with a table) the head in a quad's lanes, of which lane t has the dimensions
// 32 c + 8 t .. 32 c + 8 t + 7 of every chunk c. A pair that is rotated, half a head apart, is in one lane: the head
// must fill all `chunks`, an even number of them. All lanes of the warp take part.
template <typename T, int chunks>
__device__ void transform_head(uint4 (&head)[chunks], const HeadTransform<T>& a, int head_dim, const T* scale,
                               const float* turn, int t) {
  float factor = 1;
  if (scale) {
    float squares = 0;
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      float values[8];
      unpack_eight<T>(head[c], values);
#pragma unroll
      for (int i = 0; i < 8; ++i) squares += values[i] * values[i];
    }
    factor = rsqrtf(sum_over<4>(squares) / head_dim + a.eps);
  }
#pragma unroll
  for (int c = 0; c < chunks / 2; ++c) {
    float low[8], high[8];
    unpack_eight<T>(head[c], low);
    unpack_eight<T>(head[c + chunks / 2], high);
    if (scale) {
      float low_scale[8], high_scale[8];
      load<T, 8>(scale + 32 * c + 8 * t, low_scale);
      load<T, 8>(scale + 32 * (c + chunks / 2) + 8 * t, high_scale);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        low[i] *= factor * low_scale[i];
        high[i] *= factor * high_scale[i];
      }
    }
    if (a.rope) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const float2 by = *reinterpret_cast<const float2*>(turn + 2 * (32 * c + 8 * t + i));
        const float x = low[i], y = high[i];
        low[i] = x * by.x - y * by.y;
        high[i] = y * by.x + x * by.y;
      }
    }
    head[c] = pack_eight<T>(low);
    head[c + chunks / 2] = pack_eight<T>(high);
  }
}

}  // namespace cotenant
