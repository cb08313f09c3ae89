#pragma once

#include <cuda_runtime.h>

#include "engine/native/cuda/product.h"

// A product's result against plain arithmetic, so that no plan is used only because it was fast.
namespace cotenant {

// What y holds before the product, so that the check can know it: this uniform noise where it accumulates, else NaN.
void poison_result(cudaStream_t stream, const ProductKey& key, void* y);

// Fills x with uniform noise in [-1, 1).
void fill_input(cudaStream_t stream, const ProductKey& key, void* x);

// The norm of the errors over the norm of the true values, at some thousand places of y. Infinity when y has values
// that are not numbers. `scratch` has room for 16 bytes. Waits for the stream.
double relative_error(cudaStream_t stream, const ProductKey& key, const ProductOperands& operands, void* scratch);

// What relative_error may be: rounding of the result and of intermediate sums in the dtype, not of a wrong kernel.
double tolerated_error(Dtype dtype);

}  // namespace cotenant
