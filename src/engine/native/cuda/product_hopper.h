#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <span>

#include "base/dtype.h"
#include "model/spec.h"

// Products of many rows on Hopper's tensor cores, for what the library cannot do: an exact GELU or a gate in the
// epilogue, and fetching weights as soon as the kernel before leaves a multiprocessor. A tuner has to choose.
namespace cotenant {

// y = activation(x W^T + bias), or y += x W^T + bias. `gated`: the rows of W are gates, then ups, and y =
// activation(gate) * up. Without a gate the activation's argument is rounded to 16 bits first, as it is between two
// kernels of the library.
struct HopperProduct {
  Dtype dtype = Dtype::f16;
  void* y = nullptr;           // [rows, columns]; gated: [rows, columns / 2]
  const void* w = nullptr;     // [columns, in]
  const void* bias = nullptr;  // [columns], or none
  const void* x = nullptr;     // [rows, in]
  int64_t rows = 0, in = 0, columns = 0;
  Activation activation = Activation::none;
  bool gated = false;       // then without a bias
  bool accumulate = false;  // then without an activation and a gate
  int sms = 0;              // multiprocessors to use
  int part = 0,
      parts = 1;  // of the columns of y, nearly equal ones: the same sums, so all parts together are the whole
};

// f16 and bf16; `in` and the columns of y multiples of 8; compute capability 9.x.
bool hopper_product_supported(Dtype dtype, int64_t rows, int64_t in, int64_t columns, bool gated);

// How a product is cut.
struct HopperPlan {
  int tile_columns = 0;  // of a block; its rows are 128
};

std::span<const HopperPlan> hopper_plans(bool gated, bool accumulate);

// In how many rounds the multiprocessors go through it: into so many parts it can be divided at most.
int hopper_rounds(const HopperProduct& product, const HopperPlan& plan);

void launch_hopper_product(cudaStream_t stream, const HopperProduct& product, const HopperPlan& plan);

}  // namespace cotenant
