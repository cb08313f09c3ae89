#include "engine/native/cuda/attention_prefill_paths.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/warp.cuh"

// Attention without tensor cores, for float32 and head dimensions that no model of note has. A block takes 8 queries of
// a head, one a warp, and goes through the keys 32 at a time: a lane computes the score of one key, and then the warp
// adds up the values, a lane owning every 32nd dimension.
namespace cotenant {
namespace {

constexpr int queries = 8;  // a block; one a warp
constexpr int tile = 32;    // keys; one a lane
constexpr int most_dims = 128;
constexpr int dims_of_lane = most_dims / 32;

template <typename T, bool cached>
__global__ void __launch_bounds__(queries * 32) attention_plain_kernel(const PrefillArguments a) {
  __shared__ float q[queries][most_dims];
  __shared__ float k[tile][most_dims + 1];  // a column is read by 32 lanes: one bank each
  __shared__ float v[tile][most_dims];
  let_successor_start();
  wait_for_predecessor();

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, d = a.head_dim;
  const int head = blockIdx.x % a.heads, row = blockIdx.x / a.heads, kv_head = head / (a.heads / a.kv_heads);
  const int begin = blockIdx.y * queries, end = min(begin + queries, a.length), query = begin + warp;
  const int64_t width = static_cast<int64_t>(a.heads + 2 * a.kv_heads) * d;
  const T* tokens = static_cast<const T*>(a.qkv) + static_cast<int64_t>(row) * a.length * width;
  const T* keys = tokens + (a.heads + kv_head) * d;
  const T* values = keys + a.kv_heads * d;
  int64_t key_width = width;
  int shift = 0, all_keys = a.length;  // the position of the row's first query; keys of the row
  if constexpr (cached) {
    const int64_t in_cache = (static_cast<int64_t>(a.cache_row(row)) * a.kv_heads + kv_head) * a.capacity * d;
    keys = static_cast<const T*>(a.k) + in_cache;
    values = static_cast<const T*>(a.v) + in_cache;
    key_width = d;
    shift = a.first_position(row);
    all_keys = a.end_position(shift);
  }

  for (int i = lane; i < d; i += 32)
    q[warp][i] = query < end ? to_float(tokens[query * width + head * d + i]) * a.scale_log2 : 0;

  float maximum = -INFINITY, sum = 0, output[dims_of_lane] = {};
  const int end_key = a.end_key(shift + end, all_keys);
  for (int first = a.first_key(shift + begin) / tile * tile; first < end_key; first += tile) {
    __syncthreads();
    for (int i = threadIdx.x; i < tile * d; i += blockDim.x) {
      const int key = i / d, dim = i % d;
      const bool inside = first + key < all_keys;
      k[key][dim] = inside ? to_float(keys[(first + key) * key_width + dim]) : 0;
      v[key][dim] = inside ? to_float(values[(first + key) * key_width + dim]) : 0;
    }
    __syncthreads();
    float score = 0;
    for (int i = 0; i < d; ++i) score += q[warp][i] * k[lane][i];
    if (!a.sees(shift + query, first + lane, all_keys)) score = -INFINITY;
    const float new_maximum = fmaxf(maximum, max_over(score));
    if (new_maximum == -INFINITY) continue;  // the same in all lanes: nothing seen so far
    const float keep = exp2f(maximum - new_maximum), weight = exp2f(score - new_maximum);
    maximum = new_maximum;
    sum = sum * keep + sum_over(weight);
#pragma unroll
    for (int j = 0; j < dims_of_lane; ++j) output[j] *= keep;
    for (int key = 0; key < tile; ++key) {
      const float weight_of_key = __shfl_sync(~0u, weight, key);
#pragma unroll
      for (int j = 0; j < dims_of_lane; ++j)
        if (lane + 32 * j < d) output[j] += weight_of_key * v[key][lane + 32 * j];
    }
  }

  if (query >= end) return;
  T* y = static_cast<T*>(a.y) + ((static_cast<int64_t>(row) * a.length + query) * a.heads + head) * d;
#pragma unroll
  for (int j = 0; j < dims_of_lane; ++j)
    if (lane + 32 * j < d) y[lane + 32 * j] = from_float<T>(output[j] / sum);
}

}  // namespace

void launch_attention_prefill_plain(cudaStream_t stream, Dtype dtype, const PrefillArguments& a) {
  const dim3 grid(static_cast<unsigned>(a.rows * a.heads), static_cast<unsigned>((a.length + queries - 1) / queries));
  with_type(dtype, [&]<typename T>(T) {
    launch("attention", stream, a.k ? attention_plain_kernel<T, true> : attention_plain_kernel<T, false>, grid,
           dim3(queries * 32), 0, a);
  });
}

}  // namespace cotenant
