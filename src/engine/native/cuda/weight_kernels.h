#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "base/dtype.h"
#include "model/random.h"

// Weights on their way into the arena: converted to the engine's dtype, generated, turned around.
namespace cotenant {

// Where the values of a stored matrix [rows, columns] go: to [rows, columns] at `to` as it is, or transposed, to
// [columns, total_rows] there, with the first row at column `first_row`. Vectors are matrices of one row.
struct WeightPlace {
  void* to = nullptr;
  Dtype dtype = Dtype::f16;
  int64_t rows = 0, columns = 0;
  bool transposed = false;
  int64_t first_row = 0, total_rows = 0;
};

void launch_convert(cudaStream_t stream, const WeightPlace& place, const void* from, Dtype from_dtype);

// Value (r, c) is random_value(fill, r * columns + c), as on the CPU.
void launch_generate(cudaStream_t stream, const WeightPlace& place, const RandomFill& fill);

}  // namespace cotenant
