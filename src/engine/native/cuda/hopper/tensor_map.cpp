#include "engine/native/cuda/hopper/tensor_map.h"

#include <cuda_runtime.h>

#include <span>

#include "base/error.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/driver_function.h"

namespace cotenant {
namespace {

// The first size is the innermost; strides are those of dense data.
CUtensorMap make_map(Dtype dtype, const void* data, std::span<const cuuint64_t> sizes, int box_rows, int line_bytes) {
  cuuint64_t strides[2] = {};  // bytes, of all dimensions but the innermost
  cuuint32_t box[3] = {64, static_cast<cuuint32_t>(box_rows), 1}, steps[3] = {1, 1, 1};
  for (size_t i = 0; i + 1 < sizes.size(); ++i) strides[i] = (i == 0 ? 2 : strides[i - 1]) * sizes[i];
  const auto encode = COTENANT_DRIVER_FUNCTION(cuTensorMapEncodeTiled);
  if (!encode) throw usage_error("tensor map", "the driver has no cuTensorMapEncodeTiled", "Update the NVIDIA driver.");
  CUtensorMap map;
  COTENANT_DRIVER("tensor map",
                  encode(&map, dtype == Dtype::f16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
                         static_cast<cuuint32_t>(sizes.size()), const_cast<void*>(data), sizes.data(), strides, box,
                         steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                         line_bytes == 256 ? CU_TENSOR_MAP_L2_PROMOTION_L2_256B : CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
                         CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return map;
}

}  // namespace

CUtensorMap make_matrix_map(Dtype dtype, const void* data, int64_t rows, int64_t columns, int box_rows,
                            int line_bytes) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  return make_map(dtype, data, sizes, box_rows, line_bytes);
}

CUtensorMap make_matrices_map(Dtype dtype, const void* data, int64_t count, int64_t rows, int64_t columns,
                              int box_rows) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows),
                              static_cast<cuuint64_t>(count)};
  return make_map(dtype, data, sizes, box_rows, 128);
}

}  // namespace cotenant
