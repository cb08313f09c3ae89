#pragma once

#include <cuda_runtime.h>

#include "engine/native/ops.h"

// What happens to q, k and v between their product and attention, in one pass over them: q and k normed head by head,
// rotated, and k and v written into the cache. Shapes are those of Ops::transform_qkv.
namespace cotenant {

void launch_transform_qkv(cudaStream_t stream, const Tensor& qkv, const Tensor& positions, const QkTransform& transform,
                          const KvCache& cache, const Attention& attention);

}  // namespace cotenant
