#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "engine/native/ops.h"

// What touches each value once: activations, gates and the gathering of rows. All run at the speed of memory, 16
// bytes a thread where the width allows it. Shapes are those of ops.h.
namespace cotenant {

// In place; y [t, width].
void launch_activation(cudaStream_t stream, const Tensor& y, Activation activation);

void launch_gate(cudaStream_t stream, const Tensor& y, const Tensor& x, Activation activation);

void launch_last_rows(cudaStream_t stream, const Tensor& y, const Tensor& x);

void launch_gather_rows(cudaStream_t stream, const Tensor& y, const Tensor& x, const Tensor& rows);

}  // namespace cotenant
