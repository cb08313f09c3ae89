#pragma once

#include <cuda_runtime.h>

#include "engine/native/ops.h"

// The first operation of a pass: Ops::embed, in one kernel with the norm of the embeddings where there is one.
namespace cotenant {

void launch_embed(cudaStream_t stream, const Tensor& y, const Embedding& table, const Tensor& ids,
                  const Tensor& positions);

}  // namespace cotenant
