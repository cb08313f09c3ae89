#pragma once

#include <cuda_runtime.h>

#include "engine/native/ops.h"

// What happens to q, k and v between their product and attention, in one pass over them: q and k normed head by head,
// rotated, and k and v written into the cache. Shapes are those of Ops::transform_qkv.
namespace cotenant {

// Whether a head is for a warp: even head dimensions up to 64, multiples of 4 up to 128, of 8 up to 256 and so on.
bool qkv_transform_supported(Dtype dtype, int64_t head_dim);

// Throws nothing of its own; what is not supported must not be asked for.
void launch_transform_qkv(cudaStream_t stream, const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                          const KvCache& cache, const Attention& attention);

}  // namespace cotenant
