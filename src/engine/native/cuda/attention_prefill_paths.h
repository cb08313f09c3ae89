#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/dtype.h"
#include "engine/native/ops.h"

// The kernels behind launch_attention_prefill.
namespace cotenant {

struct PrefillArguments {
  void* y;          // [rows * length, heads * head_dim]
  const void* qkv;  // [rows * length, (heads + 2 kv_heads) * head_dim]
  int rows, length, heads, kv_heads, head_dim;
  bool causal;
  int window;        // 0: none
  float scale_log2;  // of the scores, for powers of 2

  // Of pieces of sequences, whose keys and values are in the cache (causal then); k is null without one.
  const void *k = nullptr, *v = nullptr;  // [cache rows, kv_heads, capacity, head_dim]
  const int32_t* positions = nullptr;     // [rows * length]: read of each row's first token
  const int32_t* row_of = nullptr;        // [rows], in the cache; null: its own number
  int capacity = 0;

#ifdef __CUDACC__
  // Of a row: the position of its first query, and one past its last key.
  __device__ int first_position(int row) const {
    return k ? positions[static_cast<int64_t>(row) * length] : 0;
  }
  __device__ int end_position(int first_position) const {
    return k ? min(first_position + length, capacity) : length;
  }
  __device__ int cache_row(int row) const {
    return row_of ? row_of[row] : row;
  }
  // First and one past the last position that any of the queries at positions begin..end-1 sees, of keys up to `keys`.
  __host__ __device__ int first_key(int begin) const {
    return window > 0 && begin >= window ? begin - window + 1 : 0;
  }
  __host__ __device__ int end_key(int end, int keys) const {
    return causal && end < keys ? end : keys;
  }
  __host__ __device__ bool sees(int query, int key, int keys) const {
    return key < keys && (!causal || key <= query) && (window <= 0 || key > query - window);
  }
#endif
};

PrefillArguments make_prefill_arguments(void* y, const void* qkv, int64_t rows, int64_t length,
                                        const Attention& attention);

// Any dtype, any head_dim up to 128; slow.
void launch_attention_prefill_plain(cudaStream_t stream, Dtype dtype, const PrefillArguments& arguments);

// f16 and bf16, head_dim 32, 64, 80, 96 or 128: the tensor cores as they are from compute capability 8.0 on.
bool attention_prefill_mma_supported(Dtype dtype, int64_t head_dim);
void launch_attention_prefill_mma(cudaStream_t stream, Dtype dtype, const PrefillArguments& arguments);

// f16 and bf16, head_dim 64 or 128, on compute capability 9.x only: warpgroup products and the tensor memory
// accelerator.
bool attention_prefill_hopper_supported(Dtype dtype, const PrefillArguments& arguments);
void launch_attention_prefill_hopper(cudaStream_t stream, Dtype dtype, const PrefillArguments& arguments);

}  // namespace cotenant
