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

#ifdef __CUDACC__
  // First and one past the last position that any of the queries begin..end-1 sees.
  __host__ __device__ int first_key(int begin) const {
    return window > 0 && begin >= window ? begin - window + 1 : 0;
  }
  __host__ __device__ int end_key(int end) const {
    return causal && end < length ? end : length;
  }
  __host__ __device__ bool sees(int query, int key) const {
    return key < length && (!causal || key <= query) && (window <= 0 || key > query - window);
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
