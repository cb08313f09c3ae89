#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"
#include "engine/native/ops.h"
#include "model/spec.h"

// Products of a decode step: 1 to 16 rows of activations with a large weight matrix. They do so little arithmetic that
// reading the weights once is all their time, so they aim at the speed of device memory. The weights are the only
// thing read before wait_for_predecessor(): they are on their way while the kernel before is still finishing.
namespace cotenant {

// y[r, o] = activation(sum_i w[o, i] x'[r, i] + bias[o]), or y[r, o] += sum + bias when `accumulate`, where x' is x, or
// RMSNorm(x) where `norm` has a scale. Sums are float32. The norm is computed as (x scale) / rms(x), with x scale
// rounded to `dtype`: it must not overflow there, which it does not where x itself is far from overflowing.
//
// `gated`: the rows of w are two halves, gates and ups, and y[r, o] = activation(gate[o]) * up[o], with o below out / 2
// and rows of y padded_out / 2 long. Gate and up are each rounded to `dtype` as if they had been written out.
struct Gemv {
  Dtype dtype = Dtype::f16;
  void* y = nullptr;           // [rows, padded_out]; gated: [rows, out / 2]
  const void* w = nullptr;     // [padded_out, in], at a multiple of 16 bytes
  const void* bias = nullptr;  // [out] or longer, or none
  const void* x = nullptr;     // [rows, in], at a multiple of 16 bytes; not y
  int64_t rows = 0, in = 0;
  int64_t out = 0;         // columns with a meaning
  int64_t padded_out = 0;  // rows of w; columns out .. padded_out of y may be left alone. gated: == out
  Activation activation = Activation::none;
  bool accumulate = false;
  bool gated = false;
  Norm norm = {};  // of the rows of x: RMSNorm; no scale: none
};

constexpr int64_t gemv_max_rows = 16;

// f16 and bf16, 1 to gemv_max_rows rows, `in` a multiple of 8. With `gated` and with an RMSNorm all of these too.
bool gemv_supported(Dtype dtype, int64_t rows, int64_t in, int64_t out);

void launch_gemv(cudaStream_t stream, const Gemv& gemv);

// How a product is cut up. The results of different plans differ by rounding only.
struct GemvPlan {
  int tiles = 2;   // of 8 outputs a block: 2 or 4
  int warps = 8;   // of a block: 8 or 16; they share the inputs
  int stages = 2;  // steps of 64 inputs of a warp that are under way: 2, 3 or 4; 2 with 4 tiles
};

std::span<const GemvPlan> gemv_plans();  // all of them, for tuning
// Whether the current device has the shared memory for it. tiles 2, warps 8, stages 2 fits every device.
bool gemv_plan_fits(const GemvPlan& plan, int64_t rows, bool normed);
GemvPlan gemv_default_plan(const Gemv& gemv);
void launch_gemv(cudaStream_t stream, const Gemv& gemv, const GemvPlan& plan);

}  // namespace cotenant
