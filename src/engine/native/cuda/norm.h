#pragma once

#include <cuda_runtime.h>

#include "engine/native/ops.h"

// LayerNorm and RMSNorm over rows: one read and one write of the row, which stays in registers between; the statistics
// are float32 (mean first, then the variance around it). y may be x. Throws usage_error for a row too wide for that.
namespace cotenant {

void launch_norm(cudaStream_t stream, const Tensor& y, const Tensor& x, const Norm& norm);

}  // namespace cotenant
