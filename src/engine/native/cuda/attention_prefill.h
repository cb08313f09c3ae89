#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/dtype.h"
#include "engine/native/ops.h"

// Attention of whole sequences within themselves: f16 and bf16 on the tensor cores, with the scores kept in registers
// (as FlashAttention-2 does: Dao 2023), f32 and unusual head dimensions by plain code.
namespace cotenant {

constexpr int64_t attention_max_head_dim = 128;

// y [rows * length, heads * head_dim], qkv [rows * length, (heads + 2 kv_heads) * head_dim]: q heads, k heads, v heads.
// Both at multiples of 16 bytes; y is not qkv. Causal or full, with or without window. Scores and sums are float32.
void launch_attention_prefill(cudaStream_t stream, Dtype dtype, void* y, const void* qkv, int64_t rows, int64_t length,
                              const Attention& attention);

// The same of pieces of sequences: see Ops::attend_pieces. `row_of` of the cache and positions are read on the device,
// and nothing before this launch in its program may write them.
void launch_attention_pieces(cudaStream_t stream, Dtype dtype, const Tensor& y, const Tensor& qkv, const KvCache& cache,
                             const Tensor& positions, const Attention& attention);

}  // namespace cotenant
