#pragma once

#include <cuda_runtime.h>

#include "engine/native/ops.h"

// LayerNorm and RMSNorm over rows: one read and one write of the row, which stays in registers between; the statistics
// are float32 (mean first, then the variance around it). y may be x.
namespace cotenant {

// The widest row: 16384 values of 16 bits, 8192 of 32, where the width is a multiple of 16 bytes; else 2048.
int64_t widest_norm(Dtype dtype, int64_t width);

void launch_norm(cudaStream_t stream, const Tensor& y, const Tensor& x, const Norm& norm);

}  // namespace cotenant
