#pragma once

#include <cuda.h>

#include <cstdint>

#include "base/dtype.h"

namespace cotenant {

// How the tensor memory accelerator reads a dense matrix [rows, columns] of f16 or bf16, in boxes of box_rows x 64
// columns, swizzled as wgmma.cuh says; rows are a multiple of 16 bytes. What memory is asked for is rounded up to
// `line_bytes` (128 or 256) of a row, which the second-level cache then holds. Throws when the driver is too old.
CUtensorMap make_matrix_map(Dtype dtype, const void* data, int64_t rows, int64_t columns, int box_rows,
                            int line_bytes = 128);

// The same of `count` matrices [count, rows, columns]: what a box has beyond the rows of its matrix becomes zeros.
CUtensorMap make_matrices_map(Dtype dtype, const void* data, int64_t count, int64_t rows, int64_t columns,
                              int box_rows);

}  // namespace cotenant
