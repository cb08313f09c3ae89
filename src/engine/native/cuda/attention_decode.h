#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "engine/native/ops.h"

// Attention of one new token a row over its KV cache. The cache is cut along its length, so that few rows still fill
// the device; the last block of a head to finish puts the parts together (as FlashDecoding does: Dao et al. 2023).
namespace cotenant {

// Bytes of the workspace of a launch; small. Fill it with zeros once, before the first launch. Launches of one stream
// may share it if rows, capacity and attention are the same (the layers of a model): each leaves it ready for the next.
size_t attention_decode_workspace_bytes(int64_t rows, const Attention& attention, int64_t capacity);

// Whether the launch can do transform_qkv's work as well: half precision, and a head_dim of 64 or 128 where q and k are
// normed or rotated.
bool attention_decode_transforms(Dtype dtype, const Attention& attention, const QkTransform& transform);

// y [rows, heads * head_dim], qkv [rows, (heads + 2 kv_heads) * head_dim]. The token attends to positions
// 0..positions[row] (int32, read on the device), or the window's last ones of these. The launch does not depend on the
// positions. Without a transform only q is read: k and v of the token are already in the cache, at positions[row]. With
// one q and k are normed and rotated on the way, and k and v written into the cache; qkv stays as it is.
void launch_attention_decode(cudaStream_t stream, Dtype dtype, void* y, const void* qkv, const KvCache& cache,
                             const int32_t* positions, const Attention& attention, void* workspace,
                             const QkTransform* transform = nullptr);

}  // namespace cotenant
