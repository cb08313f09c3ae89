#include <string>

#include "base/error.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/qkv_transform.h"

namespace cotenant {
namespace {

constexpr int threads = 256;

struct HeadNorms {
  const void *q_scale = nullptr, *k_scale = nullptr;  // [head_dim]; null: no norm
  float eps = 0;
};

// Heads are numbered q, k, v as they lie in a row of qkv; the first of them that anything happens to is `first_head`.
struct HeadRange {
  int heads, kv_heads, first_head, touched_heads;
  int half;   // of head_dim
  int lanes;  // threads of one head, a power of two up to 32, each with two packs: i and i + half
  int tokens_per_sequence;
  int64_t qkv_width, capacity;
};

// The mean of squares over the `lanes` threads of one head.
__device__ float head_mean_square(float squares, int lanes, int head_dim) {
  for (int step = lanes / 2; step > 0; step /= 2) squares += __shfl_xor_sync(0xffffffffu, squares, step);
  return squares / head_dim;
}

template <typename T, int n>
__device__ void scale_head(float (&low)[n], float (&high)[n], const T* scale, int column, int half, float factor) {
  float low_scale[n], high_scale[n];
  load<T, n>(scale + column, low_scale);
  load<T, n>(scale + column + half, high_scale);
#pragma unroll
  for (int i = 0; i < n; ++i) {
    low[i] *= factor * low_scale[i];
    high[i] *= factor * high_scale[i];
  }
}

// table [half, 2] of one position: cos and sin.
template <int n>
__device__ void rotate(float (&low)[n], float (&high)[n], const float* table, int column) {
#pragma unroll
  for (int i = 0; i < n; ++i) {
    const float2 turn = reinterpret_cast<const float2*>(table)[column + i];
    const float a = low[i], b = high[i];
    low[i] = a * turn.x - b * turn.y;
    high[i] = b * turn.x + a * turn.y;
  }
}

template <typename T, int n>
__global__ void transform_qkv_kernel(T* qkv, T* k_cache, T* v_cache, const int32_t* positions, const int32_t* row_of,
                                     const float* rope, HeadNorms norms, HeadRange range, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t thread = blockIdx.x * int64_t{threads} + threadIdx.x;
  const int64_t item = thread / range.lanes;  // (token, head)
  const int column = static_cast<int>(thread % range.lanes) * n;
  const bool active = item < items && column < range.half;  // the others only take part in the shuffles
  const int64_t t = active ? item / range.touched_heads : 0;
  const int head = range.first_head + static_cast<int>(active ? item % range.touched_heads : 0);
  const bool is_q = head < range.heads, is_v = head >= range.heads + range.kv_heads;

  float low[n] = {}, high[n] = {};
  T* values = qkv + t * range.qkv_width + int64_t{head} * 2 * range.half + column;
  if (active) {
    load<T, n>(values, low);
    load<T, n>(values + range.half, high);
  }
  if (norms.q_scale) {
    float squares = 0;
#pragma unroll
    for (int i = 0; i < n; ++i) squares += low[i] * low[i] + high[i] * high[i];
    const float factor = rsqrtf(head_mean_square(squares, range.lanes, 2 * range.half) + norms.eps);
    if (active && !is_v)
      scale_head<T, n>(low, high, static_cast<const T*>(is_q ? norms.q_scale : norms.k_scale), column, range.half,
                       factor);
  }
  if (!active) return;
  const int64_t position = positions[t];
  if (rope && !is_v) rotate<n>(low, high, rope + position * 2 * range.half, column);
  if (!is_v && (rope || norms.q_scale)) {
    store<T, n>(values, low);
    store<T, n>(values + range.half, high);
  }
  if (is_q || !k_cache) return;
  const int kv_head = is_v ? head - range.heads - range.kv_heads : head - range.heads;
  const int64_t sequence = t / range.tokens_per_sequence, row = row_of ? row_of[sequence] : sequence;
  T* cached = (is_v ? v_cache : k_cache) +
              ((row * range.kv_heads + kv_head) * range.capacity + position) * 2 * range.half + column;
  store<T, n>(cached, low);
  store<T, n>(cached + range.half, high);
}

template <typename T, int n>
void launch_with_packs(cudaStream_t stream, const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                       const KvCache& cache, const HeadRange& range) {
  const int64_t items = qkv.shape[0] * range.touched_heads;
  const auto blocks = static_cast<unsigned>((items * range.lanes + threads - 1) / threads);
  const HeadNorms norms{transform.q_norm.scale.data, transform.k_norm.scale.data, transform.q_norm.eps};
  launch("transform_qkv", stream, transform_qkv_kernel<T, n>, dim3(blocks), dim3(threads), 0, static_cast<T*>(qkv.data),
         static_cast<T*>(cache.k.data), static_cast<T*>(cache.v.data), static_cast<const int32_t*>(positions.data),
         static_cast<const int32_t*>(cache.row_of.data), static_cast<const float*>(transform.rope.data), norms, range,
         items);
}

// Values of either half of a head that a thread takes: as many as 16 bytes hold, where that divides the half.
int values_per_lane(Dtype dtype, int64_t half) {
  int n = 16 / static_cast<int>(size_of(dtype));
  while (half % n != 0) n /= 2;
  return n;
}

// Threads of one head when each takes n values of either half.
int lanes_for(int64_t half, int n) {
  int lanes = 1;
  while (int64_t{lanes} * n < half) lanes *= 2;
  return lanes;
}

}  // namespace

bool qkv_transform_supported(Dtype dtype, int64_t head_dim) {
  const int64_t half = head_dim / 2;
  return head_dim % 2 == 0 && half > 0 && lanes_for(half, values_per_lane(dtype, half)) <= 32;
}

void launch_transform_qkv(cudaStream_t stream, const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                          const KvCache& cache, const Attention& attention) {
  const bool rotates = transform.rope || transform.q_norm.scale;
  HeadRange range{};
  range.heads = static_cast<int>(attention.heads);
  range.kv_heads = static_cast<int>(attention.kv_heads);
  range.first_head = rotates ? 0 : range.heads;
  range.touched_heads = range.heads + (cache ? 2 : 1) * range.kv_heads - range.first_head;
  range.half = static_cast<int>(attention.head_dim / 2);
  range.tokens_per_sequence = cache ? static_cast<int>(qkv.shape[0] / cache.sequences()) : 1;
  range.qkv_width = attention.qkv_width();
  range.capacity = cache ? cache.capacity() : 0;
  const int values = values_per_lane(qkv.dtype, range.half);
  range.lanes = lanes_for(range.half, values);
  with_type(qkv.dtype, [&]<typename T>(T) {
    const auto go = [&](auto n) { launch_with_packs<T, n>(stream, qkv, positions, transform, cache, range); };
    if constexpr (pack_size<T> == 8)
      if (values == 8) return go(std::integral_constant<int, 8>{});
    if (values == 4) return go(std::integral_constant<int, 4>{});
    if (values == 2) return go(std::integral_constant<int, 2>{});
    go(std::integral_constant<int, 1>{});
  });
}

}  // namespace cotenant
