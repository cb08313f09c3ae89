#include "engine/native/cuda/product.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/elementwise.h"
#include "engine/native/cuda/gemv.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/product_hopper.h"

namespace cotenant {
namespace {

constexpr const char* operation = "linear";

cudaDataType_t library_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return CUDA_R_32F;
    case Dtype::bf16:
      return CUDA_R_16BF;
    case Dtype::f16:
      return CUDA_R_16F;
    case Dtype::i32:
      break;
  }
  throw internal_error(operation, "no products of integers");
}

// `stride`: from column to column, in elements.
LtLayout make_layout(Dtype dtype, int64_t rows, int64_t columns, int64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  COTENANT_CUBLAS(operation, cublasLtMatrixLayoutCreate(&layout, library_type(dtype), static_cast<uint64_t>(rows),
                                                        static_cast<uint64_t>(columns), stride));
  return LtLayout(layout);
}

template <typename T>
void set(const LtMatmulDesc& desc, cublasLtMatmulDescAttributes_t which, T value) {
  COTENANT_CUBLAS(operation, cublasLtMatmulDescSetAttribute(desc.get(), which, &value, sizeof value));
}

cublasLtEpilogue_t epilogue(const ProductKey& key, Plan::Method method) {
  const bool gelu = method == Plan::Method::library_epilogue && key.activation == Activation::gelu_tanh;
  const bool relu = method == Plan::Method::library_epilogue && key.activation == Activation::relu;
  if (gelu) return key.bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  if (relu) return key.bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
  return key.bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

// The library counts columns first: y^T [columns, rows] = W [in, columns]^T x^T [in, rows].
struct Description {
  LtMatmulDesc desc;
  LtLayout w, x, y;

  Description(const ProductKey& key, Plan::Method method, const void* bias)
      : Description(key, method, bias, {0, key.columns}) {}
  Description(const ProductKey& key, Plan::Method method, const void* bias, Columns part)
      : w(make_layout(key.dtype, key.in, part.end - part.begin, key.in)),
        x(make_layout(key.dtype, key.in, key.rows, key.in)),
        y(make_layout(key.dtype, part.end - part.begin, key.rows, key.columns)) {
    cublasLtMatmulDesc_t made = nullptr;
    // Sums in float32; for float32 inputs this is float32 throughout, not TF32.
    COTENANT_CUBLAS(operation, cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    desc = LtMatmulDesc(made);
    set(desc, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(key, method));
    if (key.bias) set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }
};

bool hopper_runs(const ProductKey& key) {
  return !key.normed && !(key.gated && key.bias) &&
         hopper_product_supported(key.dtype, key.rows, key.in, key.columns, key.gated);
}

HopperProduct hopper_product(const ProductKey& key, int sms) {
  return {.dtype = key.dtype,
          .rows = key.rows,
          .in = key.in,
          .columns = key.columns,
          .activation = key.activation,
          .gated = key.gated,
          .accumulate = key.accumulate,
          .sms = sms};
}

const HopperPlan& hopper_plan(const ProductKey& key, const Plan& plan) {
  return hopper_plans(key.gated, key.accumulate)[static_cast<size_t>(plan.variant)];
}

// The rounds in which the multiprocessors go through a product of the library: it tells neither its tiles nor their
// order, but a multiprocessor's sums are of about 128 x 256 values in any case.
struct LibraryRounds {
  int64_t columns, rounds;  // of y in a round; how many

  LibraryRounds(const ProductKey& key, int sms) {
    constexpr int64_t tile_rows = 128, tile_columns = 256;
    const auto pieces = [](int64_t size, int64_t of) { return (size + of - 1) / of; };
    columns = std::max<int64_t>(1, sms / pieces(key.rows, tile_rows)) * tile_columns;
    rounds = pieces(key.columns, columns);
  }
  Columns part(const ProductKey& key, int part, int parts) const {
    return {std::min(key.columns, rounds * part / parts * columns),
            std::min(key.columns, rounds * (part + 1) / parts * columns)};
  }
};

bool library_has_activation(Activation activation) {
  return activation == Activation::gelu_tanh || activation == Activation::relu;
}

Tensor matrix(const void* data, Dtype dtype, int64_t rows, int64_t columns) {
  return {.data = const_cast<void*>(data), .dtype = dtype, .shape = {rows, columns, 1, 1}};
}

bool gemv_runs(const ProductKey& key, int variant, bool with_norm) {
  return gemv_supported(key.dtype, key.rows, key.in, key.columns) && variant >= 0 &&
         static_cast<size_t>(variant) < gemv_plans().size() &&
         gemv_plan_fits(gemv_plans()[static_cast<size_t>(variant)], key.rows, with_norm);
}

}  // namespace

std::string to_string(const ProductKey& key) {
  static constexpr std::array names{"", ", tanh-GELU", ", erf-GELU", ", SiLU", ", ReLU"};
  return fmt::format("{} x {} -> {} {}{}{}{}{}{}", key.rows, key.in, key.columns, to_string(key.dtype),
                     key.normed ? ", norm" : "", key.bias ? ", bias" : "", names[static_cast<size_t>(key.activation)],
                     key.gated ? ", gate" : "", key.accumulate ? ", sum" : "");
}

std::string_view to_string(Plan::Method method) {
  switch (method) {
    case Plan::Method::library:
      return "cuBLASLt";
    case Plan::Method::library_epilogue:
      return "cuBLASLt with epilogue";
    case Plan::Method::gemv:
      return "gemv";
    case Plan::Method::gemv_after_norm:
      return "gemv after norm";
    case Plan::Method::hopper:
      return "the Hopper kernel";
  }
  return "?";
}

Products::Products(cudaStream_t stream, void* workspace, size_t workspace_bytes, int sms)
    : stream_(stream), workspace_(workspace), workspace_bytes_(workspace_bytes), sms_(sms) {
  cublasLtHandle_t handle = nullptr;
  COTENANT_CUBLAS("open cuBLASLt", cublasLtCreate(&handle));
  handle_ = LtHandle(handle);
}

void Products::ask_library(const ProductKey& key, Plan::Method method, int sms, size_t workspace_bytes,
                           std::vector<Plan>& plans) const {
  cublasLtMatmulPreference_t made = nullptr;
  COTENANT_CUBLAS(operation, cublasLtMatmulPreferenceCreate(&made));
  const LtPreference preference(made);
  COTENANT_CUBLAS(operation, cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                                  &workspace_bytes, sizeof workspace_bytes));
  // Any aligned address does for the bias: what matters is that there is one.
  const Description description(key, method, workspace_);
  set(description.desc, CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, sms);
  std::array<cublasLtMatmulHeuristicResult_t, 32> found{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle_.get(), description.desc.get(), description.w.get(), description.x.get(), description.y.get(),
      description.y.get(), made, static_cast<int>(found.size()), found.data(), &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return;
  COTENANT_CUBLAS(operation, status);
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    if (found[i].state != CUBLAS_STATUS_SUCCESS) continue;
    const Plan plan{.method = method, .algorithm = found[i].algo};
    const bool known = std::any_of(plans.begin(), plans.end(), [&](const Plan& other) {
      return other.method == method && std::memcmp(&other.algorithm, &plan.algorithm, sizeof plan.algorithm) == 0;
    });
    if (!known && runs(key, plan)) plans.push_back(plan);
  }
}

// The library names its eight favourites. Asked as if it had fewer multiprocessors, or no workspace, it names others,
// which are sometimes the faster ones.
void Products::add_library_candidates(const ProductKey& key, Plan::Method method, std::vector<Plan>& plans) const {
  ask_library(key, method, 0, workspace_bytes_, plans);
  ask_library(key, method, 0, 0, plans);
  for (const int sms : {sms_ * 3 / 4, sms_ / 2}) ask_library(key, method, sms, workspace_bytes_, plans);
}

std::vector<Plan> Products::candidates(const ProductKey& key) const {
  std::vector<Plan> plans;
  if (library_has_activation(key.activation) && !key.gated)
    add_library_candidates(key, Plan::Method::library_epilogue, plans);
  add_library_candidates(key, Plan::Method::library, plans);
  if (gemv_supported(key.dtype, key.rows, key.in, key.columns)) {
    for (int i = 0; i < static_cast<int>(gemv_plans().size()); ++i) {
      if (gemv_runs(key, i, key.normed)) plans.push_back({.method = Plan::Method::gemv, .variant = i});
      if (key.normed && gemv_runs(key, i, false))
        plans.push_back({.method = Plan::Method::gemv_after_norm, .variant = i});
    }
  }
  if (hopper_runs(key))
    for (int i = 0; i < static_cast<int>(hopper_plans(key.gated, key.accumulate).size()); ++i)
      plans.push_back({.method = Plan::Method::hopper, .variant = i});
  if (plans.empty()) throw usage_error(operation, fmt::format("no kernel computes {} on this device", to_string(key)));
  return plans;
}

bool Products::runs(const ProductKey& key, const Plan& plan) const {
  if (plan.method == Plan::Method::gemv) return gemv_runs(key, plan.variant, key.normed);
  if (plan.method == Plan::Method::gemv_after_norm) return key.normed && gemv_runs(key, plan.variant, false);
  if (plan.method == Plan::Method::library_epilogue && (!library_has_activation(key.activation) || key.gated))
    return false;
  if (plan.method == Plan::Method::hopper)
    return hopper_runs(key) && plan.variant >= 0 &&
           static_cast<size_t>(plan.variant) < hopper_plans(key.gated, key.accumulate).size();
  return library_runs(key, plan, {0, key.columns});
}

bool Products::library_runs(const ProductKey& key, const Plan& plan, Columns columns) const {
  const Description description(key, plan.method, workspace_, columns);
  cublasLtMatmulHeuristicResult_t result{};
  return cublasLtMatmulAlgoCheck(handle_.get(), description.desc.get(), description.w.get(), description.x.get(),
                                 description.y.get(), description.y.get(), &plan.algorithm,
                                 &result) == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= workspace_bytes_;
}

void Products::run_library(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int part,
                           int parts) const {
  const Columns columns = LibraryRounds(key, sms_).part(key, part, parts);
  const auto from = [&](const void* matrix, int64_t elements) -> std::byte* {
    if (matrix == nullptr) return nullptr;
    return static_cast<std::byte*>(const_cast<void*>(matrix)) + static_cast<size_t>(elements) * size_of(key.dtype);
  };
  const Description description(key, plan.method, from(operands.bias, columns.begin), columns);
  const float alpha = 1, beta = key.accumulate ? 1 : 0;
  void* y = from(key.gated ? operands.wide : operands.y, columns.begin);
  COTENANT_CUBLAS(to_string(key).c_str(), cublasLtMatmul(handle_.get(), description.desc.get(), &alpha,
                                                         from(operands.w, columns.begin * key.in), description.w.get(),
                                                         key.normed ? operands.normed : operands.x, description.x.get(),
                                                         &beta, y, description.y.get(), y, description.y.get(),
                                                         &plan.algorithm, workspace_, workspace_bytes_, stream_));
}

void Products::run_hopper(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int part,
                          int parts) const {
  HopperProduct product = hopper_product(key, sms_);
  product.y = operands.y;
  product.w = operands.w;
  product.bias = key.bias ? operands.bias : nullptr;
  product.x = operands.x;
  product.part = part;
  product.parts = parts;
  launch_hopper_product(stream_, product, hopper_plan(key, plan));
}

void Products::run_gemv(const ProductKey& key, const Plan& plan, const ProductOperands& operands) const {
  const bool with_norm = key.normed && plan.method == Plan::Method::gemv;
  launch_gemv(stream_,
              {.dtype = key.dtype,
               .y = operands.y,
               .w = operands.w,
               .bias = key.bias ? operands.bias : nullptr,
               .x = key.normed && !with_norm ? operands.normed : operands.x,
               .rows = key.rows,
               .in = key.in,
               .out = operands.out,
               .padded_out = key.columns,
               .activation = key.activation,
               .accumulate = key.accumulate,
               .gated = key.gated,
               .norm = with_norm ? operands.norm : Norm{}},
              gemv_plans()[static_cast<size_t>(plan.variant)]);
}

void Products::run_in_parts(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int parts,
                            const std::function<void()>& before) const {
  if (key.normed && plan.method != Plan::Method::gemv)
    launch_norm(stream_, matrix(operands.normed, key.dtype, key.rows, key.in),
                matrix(operands.x, key.dtype, key.rows, key.in), operands.norm);
  for (int part = 0; part < parts; ++part) {
    before();
    switch (plan.method) {
      case Plan::Method::hopper:
        run_hopper(key, plan, operands, part, parts);
        break;
      case Plan::Method::gemv:
      case Plan::Method::gemv_after_norm:
        run_gemv(key, plan, operands);
        break;
      case Plan::Method::library:
      case Plan::Method::library_epilogue:
        run_library(key, plan, operands, part, parts);
        break;
    }
  }
  if (plan.method != Plan::Method::library) return;
  if (key.gated)
    launch_gate(stream_, matrix(operands.y, key.dtype, key.rows, key.columns / 2),
                matrix(operands.wide, key.dtype, key.rows, key.columns), key.activation);
  else if (key.activation != Activation::none)
    launch_activation(stream_, matrix(operands.y, key.dtype, key.rows, key.columns), key.activation);
}

int Products::divisible(const ProductKey& key, const Plan& plan, int wanted) const {
  if (wanted <= 1 || plan.method == Plan::Method::gemv || plan.method == Plan::Method::gemv_after_norm) return 1;
  if (plan.method == Plan::Method::hopper)
    return std::min(wanted, hopper_rounds(hopper_product(key, sms_), hopper_plan(key, plan)));
  const LibraryRounds all(key, sms_);
  const int parts = static_cast<int>(std::min<int64_t>(wanted, all.rounds));
  for (int part = 0; part < parts; ++part) {  // an algorithm of the library is for shapes that it fits
    const Columns columns = all.part(key, part, parts);
    if (columns.begin == columns.end || !library_runs(key, plan, columns)) return 1;
  }
  return parts;
}

double expected_us(const ProductKey& key, const Plan& plan) {
  constexpr double flops_per_us = 600e6, bytes_per_us = 2.5e6, launch_us = 2;
  if (plan.time_us > 0) return plan.time_us;
  const double flops = 2.0 * static_cast<double>(key.rows) * static_cast<double>(key.in * key.columns);
  return launch_us + std::max(flops / flops_per_us, static_cast<double>(key.weight_bytes()) / bytes_per_us);
}

}  // namespace cotenant
