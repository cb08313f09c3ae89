#pragma once

#include "engine/native/cuda/product.h"

namespace cotenant {

// Finds how a product whose plan is `plan` is computed in at least `wanted` parts, about equally long: the fastest way
// that gives the bits which the plan gives, by millions of results of a random input, and takes hardly longer. In one
// part where there is none. Overwrites x and y of `operands`; waits for the stream.
Division divide_product(const Products& products, const ProductKey& key, const Plan& plan,
                        const ProductOperands& operands, int wanted, cudaStream_t stream);

}  // namespace cotenant
