#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/native/cuda/handles.h"
#include "engine/native/ops.h"

// One matrix product with what belongs to it, and the ways there are to compute it.
namespace cotenant {

// y = activation(x W^T + bias) (+ y). Rows of W are y's columns. What a plan is chosen for.
struct ProductKey {
  Dtype dtype = Dtype::f16;
  int64_t rows = 0;  // of x and y
  int64_t in = 0;
  int64_t columns = 0;  // of the product, padding included
  Activation activation = Activation::none;
  bool bias = false;
  bool accumulate = false;
  bool normed = false;  // of norm(x) instead of x; only for few rows
  bool gated = false;   // y = activation(gate) * up [rows, columns / 2]

  auto operator<=>(const ProductKey&) const = default;
  size_t weight_bytes() const { return static_cast<size_t>(columns * in) * size_of(dtype); }
};

std::string to_string(const ProductKey& key);  // "1024 x 768 -> 3072 float16, bias, gelu"

struct ProductOperands {
  void* y = nullptr;
  const void* w = nullptr;     // [columns, in]
  const void* bias = nullptr;  // [columns]
  const void* x = nullptr;     // [rows, in]
  int64_t out = 0;             // columns with a meaning
  Norm norm{};                 // when normed
  void* normed = nullptr;      // scratch [rows, in] when normed; may be x
  void* wide = nullptr;        // scratch [rows, columns] when gated
};

struct Plan {
  enum class Method : uint8_t {
    library,           // a cuBLASLt algorithm; norm, activation and gate by kernels of their own
    library_epilogue,  // the same with the activation in its epilogue
    gemv,              // our own kernel for few rows, with all of it
    gemv_after_norm,   // the same, the norm by a kernel before it, while the weights are already on their way
    hopper             // our own kernel for many rows
  } method = Method::library;
  cublasLtMatmulAlgo_t algorithm{};  // of the library
  int variant = 0;                   // place in gemv_plans() or hopper_plans()
  float time_us = 0;                 // when it was chosen; 0: not timed
};

std::string_view to_string(Plan::Method method);

// What it takes on the device, in us: as it was timed, else as memory and tensor cores of a Hopper chip allow at best.
double expected_us(const ProductKey& key, const Plan& plan);

// How a product is computed by several kernels, each of which has a part of y's columns. The sums are those of one
// kernel, so that it may be interrupted between two of them.
struct Division {
  Plan plan;  // of every part
  int parts = 1;
  int64_t columns = 0;  // of a part as the library has it; the last may have fewer
  double us = 0;        // of all parts together
};

// cuBLASLt with one workspace, for one stream.
class Products {
 public:
  Products(cudaStream_t stream, void* workspace, size_t workspace_bytes, int sms);

  // Every way to compute it, the library's favourites first. At least one.
  std::vector<Plan> candidates(const ProductKey& key) const;
  // Whether this library on this device can still run the plan.
  bool runs(const ProductKey& key, const Plan& plan) const;
  void run(const ProductKey& key, const Plan& plan, const ProductOperands& operands) const {
    run_in_parts(key, {.plan = plan, .columns = key.columns}, operands, [] {});
  }
  // `before` is called before each part.
  void run_in_parts(const ProductKey& key, const Division& division, const ProductOperands& operands,
                    const std::function<void()>& before) const;
  // What may be tried to compute in `wanted` parts or some more what one kernel computes by `plan`.
  std::vector<Division> ways_to_divide(const ProductKey& key, const Plan& plan, int wanted) const;

 private:
  void run_hopper(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int part, int parts) const;
  void run_gemv(const ProductKey& key, const Plan& plan, const ProductOperands& operands) const;
  void run_library(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int64_t begin,
                   int64_t end) const;
  bool library_runs(const ProductKey& key, const Plan& plan, int64_t columns) const;
  void add_library_candidates(const ProductKey& key, Plan::Method method, std::vector<Plan>& plans) const;
  void ask_library(const ProductKey& key, Plan::Method method, int sms, size_t workspace_bytes,
                   std::vector<Plan>& plans) const;

  LtHandle handle_;
  cudaStream_t stream_;
  void* workspace_;
  size_t workspace_bytes_;
  int sms_;
};

}  // namespace cotenant
