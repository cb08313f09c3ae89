#pragma once

#include "base/error.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/warp.cuh"

// Norms of rows, wherever a row comes from. `Rows` is a value with
//   template <int n> __device__ void read(int64_t row, int column, float (&values)[n]) const;
// which reads n values of 16 bytes, or one, at a column that is a multiple of n.
namespace cotenant::norm {

inline constexpr int warp_threads = 32;
inline constexpr int most_threads = 512;

// The sum over all threads of a block, in every thread. `sums` [32] is not read again before the next barrier.
__device__ inline float block_sum(float value, float* sums) {
  value = sum_over(value);
  const int lane = threadIdx.x % warp_threads, warp = threadIdx.x / warp_threads;
  if (lane == 0) sums[warp] = value;
  __syncthreads();
  return sum_over(lane < static_cast<int>(blockDim.x) / warp_threads ? sums[lane] : 0.0f);
}

// A block a row; every thread keeps `packs_per_thread` packs of n values.
template <typename T, int n, int packs_per_thread, NormKind kind, typename Rows>
__global__ void norm_kernel(T* y, Rows x, const T* scale, const T* shift, int width, float eps) {
  __shared__ float sums[2][warp_threads];
  const int thread = threadIdx.x, threads = blockDim.x;
  const int64_t row = blockIdx.x;

  // Weights: not written by any kernel before this one. As they are, since to convert them would be to wait for them.
  Pack<T, n> scales[packs_per_thread], shifts[packs_per_thread];
#pragma unroll
  for (int p = 0; p < packs_per_thread; ++p) {
    const int column = (p * threads + thread) * n;
    if (column >= width) continue;
    scales[p] = *reinterpret_cast<const Pack<T, n>*>(scale + column);
    if (shift) shifts[p] = *reinterpret_cast<const Pack<T, n>*>(shift + column);
  }
  float values[packs_per_thread][n];
  wait_for_predecessor();
  let_successor_start();

  float total = 0;
#pragma unroll
  for (int p = 0; p < packs_per_thread; ++p) {
    const int column = (p * threads + thread) * n;
    if (column >= width) continue;
    x.read(row, column, values[p]);
#pragma unroll
    for (int i = 0; i < n; ++i) total += values[p][i];
  }
  const float mean = kind == NormKind::layer ? block_sum(total, sums[0]) / width : 0.0f;
  float squares = 0;
#pragma unroll
  for (int p = 0; p < packs_per_thread; ++p) {
    if ((p * threads + thread) * n >= width) continue;
#pragma unroll
    for (int i = 0; i < n; ++i) squares += (values[p][i] - mean) * (values[p][i] - mean);
  }
  const float factor = rsqrtf(block_sum(squares, sums[1]) / width + eps);
#pragma unroll
  for (int p = 0; p < packs_per_thread; ++p) {
    const int column = (p * threads + thread) * n;
    if (column >= width) continue;
#pragma unroll
    for (int i = 0; i < n; ++i)
      values[p][i] = (values[p][i] - mean) * factor * to_float(scales[p].values[i]) +
                     (shift ? to_float(shifts[p].values[i]) : 0.0f);
    store<T, n>(y + row * width + column, values[p]);
  }
}

template <typename Rows>
struct Call {
  const char* operation;
  cudaStream_t stream;
  const Tensor& y;
  Rows x;
  const Norm& norm;
};

template <typename T, int n, int packs_per_thread, typename Rows>
void launch_as(const Call<Rows>& call) {
  const int64_t packs = call.y.shape[1] / n, threads = (packs + packs_per_thread - 1) / packs_per_thread;
  const dim3 blocks(static_cast<unsigned>(call.y.shape[0]));
  const dim3 block(static_cast<unsigned>((threads + warp_threads - 1) / warp_threads * warp_threads));
  auto go = [&](auto kernel) {
    launch(call.operation, call.stream, kernel, blocks, block, 0, static_cast<T*>(call.y.data), call.x,
           static_cast<const T*>(call.norm.scale.data), static_cast<const T*>(call.norm.shift.data),
           static_cast<int>(call.y.shape[1]), call.norm.eps);
  };
  if (call.norm.kind == NormKind::layer)
    go(norm_kernel<T, n, packs_per_thread, NormKind::layer, Rows>);
  else
    go(norm_kernel<T, n, packs_per_thread, NormKind::rms, Rows>);
}

template <typename T, int n, typename Rows>
void launch_in_packs(const Call<Rows>& call) {
  const int64_t packs = call.y.shape[1] / n;
  if (packs <= most_threads) return launch_as<T, n, 1>(call);
  if (packs <= 2 * most_threads) return launch_as<T, n, 2>(call);
  if (packs <= 4 * most_threads) return launch_as<T, n, 4>(call);
  throw internal_error("norm", "a row wider than widest_norm");
}

// y [rows, width], of T.
template <typename T, typename Rows>
void launch_of(const Call<Rows>& call) {
  with_pack<T>(call.y.shape[1], [&](auto n) { launch_in_packs<T, n>(call); });
}

}  // namespace cotenant::norm
