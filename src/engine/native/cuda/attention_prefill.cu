#include "engine/native/cuda/attention_prefill.h"

#include "base/error.h"
#include "engine/native/cuda/attention_prefill_paths.h"

namespace cotenant {

PrefillArguments make_prefill_arguments(void* y, const void* qkv, int64_t rows, int64_t length,
                                        const Attention& attention) {
  constexpr double log2_of_e = 1.4426950408889634;
  return {.y = y,
          .qkv = qkv,
          .rows = static_cast<int>(rows),
          .length = static_cast<int>(length),
          .heads = static_cast<int>(attention.heads),
          .kv_heads = static_cast<int>(attention.kv_heads),
          .head_dim = static_cast<int>(attention.head_dim),
          .causal = attention.causal,
          .window = static_cast<int>(attention.window),
          .scale_log2 = static_cast<float>(attention.scale * log2_of_e)};
}

void launch_attention_prefill(cudaStream_t stream, Dtype dtype, void* y, const void* qkv, int64_t rows, int64_t length,
                              const Attention& attention) {
  if (attention.head_dim > attention_max_head_dim) throw internal_error("prefill attention", "head_dim over 128");
  const PrefillArguments arguments = make_prefill_arguments(y, qkv, rows, length, attention);
  if (attention_prefill_hopper_supported(dtype, arguments)) {
    launch_attention_prefill_hopper(stream, dtype, arguments);
  } else if (attention_prefill_mma_supported(dtype, attention.head_dim)) {
    launch_attention_prefill_mma(stream, dtype, arguments);
  } else {
    launch_attention_prefill_plain(stream, dtype, arguments);
  }
}

void launch_attention_pieces(cudaStream_t stream, Dtype dtype, const Tensor& y, const Tensor& qkv, const KvCache& cache,
                             const Tensor& positions, const Attention& attention) {
  if (attention.head_dim > attention_max_head_dim) throw internal_error("attention of pieces", "head_dim over 128");
  const int64_t pieces = cache.sequences();
  PrefillArguments arguments = make_prefill_arguments(y.data, qkv.data, pieces, qkv.shape[0] / pieces, attention);
  arguments.k = cache.k.data;
  arguments.v = cache.v.data;
  arguments.positions = static_cast<const int32_t*>(positions.data);
  arguments.row_of = static_cast<const int32_t*>(cache.row_of.data);
  arguments.capacity = static_cast<int>(cache.capacity());
  if (attention_prefill_mma_supported(dtype, attention.head_dim))
    launch_attention_prefill_mma(stream, dtype, arguments);
  else
    launch_attention_prefill_plain(stream, dtype, arguments);
}

}  // namespace cotenant
