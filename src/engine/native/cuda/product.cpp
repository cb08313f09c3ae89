#include "engine/native/cuda/product.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

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
      : Description(key, method, bias, key.columns) {}
  // Of some columns of y.
  Description(const ProductKey& key, Plan::Method method, const void* bias, int64_t columns)
      : w(make_layout(key.dtype, key.in, columns, key.in)),
        x(make_layout(key.dtype, key.in, key.rows, key.in)),
        y(make_layout(key.dtype, columns, key.rows, key.columns)) {
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

// How full the multiprocessors are, on average over the rounds in which they go through so many columns of a product of
// the library, whose kernels have tiles of 128 x 256 or of 128 x 128.
double fullness(const ProductKey& key, int64_t columns, int sms) {
  const auto pieces = [](int64_t size, int64_t of) { return (size + of - 1) / of; };
  double best = 0;
  for (const int64_t tile : {256, 128}) {
    const int64_t tiles = pieces(key.rows, 128) * pieces(columns, tile);
    best = std::max(best, static_cast<double>(tiles) / static_cast<double>(pieces(tiles, sms) * sms));
  }
  return best;
}

// The product that a part is for the library: what stands around it is done for all parts together, or before them.
ProductKey part_of(const ProductKey& key, Plan::Method method, int64_t columns) {
  ProductKey part = key;
  part.columns = columns;
  part.gated = part.normed = false;
  if (method == Plan::Method::library) part.activation = Activation::none;
  return part;
}

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
  return library_runs(key, plan, key.columns);
}

bool Products::library_runs(const ProductKey& key, const Plan& plan, int64_t columns) const {
  const Description description(key, plan.method, workspace_, columns);
  cublasLtMatmulHeuristicResult_t result{};
  return cublasLtMatmulAlgoCheck(handle_.get(), description.desc.get(), description.w.get(), description.x.get(),
                                 description.y.get(), description.y.get(), &plan.algorithm,
                                 &result) == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= workspace_bytes_;
}

void Products::run_library(const ProductKey& key, const Plan& plan, const ProductOperands& operands, int64_t begin,
                           int64_t end) const {
  const auto from = [&](const void* matrix, int64_t elements) -> std::byte* {
    if (matrix == nullptr) return nullptr;
    return static_cast<std::byte*>(const_cast<void*>(matrix)) + static_cast<size_t>(elements) * size_of(key.dtype);
  };
  const Description description(key, plan.method, from(operands.bias, begin), end - begin);
  const float alpha = 1, beta = key.accumulate ? 1 : 0;
  void* y = from(key.gated ? operands.wide : operands.y, begin);
  COTENANT_CUBLAS(to_string(key).c_str(),
                  cublasLtMatmul(handle_.get(), description.desc.get(), &alpha, from(operands.w, begin * key.in),
                                 description.w.get(), key.normed ? operands.normed : operands.x, description.x.get(),
                                 &beta, y, description.y.get(), y, description.y.get(), &plan.algorithm, workspace_,
                                 workspace_bytes_, stream_));
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

void Products::run_in_parts(const ProductKey& key, const Division& division, const ProductOperands& operands,
                            const std::function<void()>& before) const {
  const Plan& plan = division.plan;
  if (key.normed && plan.method != Plan::Method::gemv)
    launch_norm(stream_, matrix(operands.normed, key.dtype, key.rows, key.in),
                matrix(operands.x, key.dtype, key.rows, key.in), operands.norm);
  for (int part = 0; part < division.parts; ++part) {
    before();
    switch (plan.method) {
      case Plan::Method::hopper:
        run_hopper(key, plan, operands, part, division.parts);
        break;
      case Plan::Method::gemv:
      case Plan::Method::gemv_after_norm:
        run_gemv(key, plan, operands);
        break;
      case Plan::Method::library:
      case Plan::Method::library_epilogue:
        run_library(key, plan, operands, part * division.columns, std::min(key.columns, (part + 1) * division.columns));
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

// Of the library's algorithms all are tried: which is the fastest for a part is another question than for the whole.
std::vector<Division> Products::ways_to_divide(const ProductKey& key, const Plan& plan, int wanted) const {
  constexpr int64_t multiple = 256;  // of columns
  constexpr double least_fullness = 0.85;
  std::vector<Division> ways;
  if (plan.method == Plan::Method::hopper) {
    const int rounds = hopper_rounds(hopper_product(key, sms_), hopper_plan(key, plan));
    if (rounds > 1) ways.push_back({.plan = plan, .parts = std::min(wanted, rounds), .columns = key.columns});
  }
  if (plan.method != Plan::Method::library && plan.method != Plan::Method::library_epilogue) return ways;
  int64_t last = 0;
  for (int parts = wanted; parts <= 2 * wanted; ++parts) {
    const int64_t columns = (key.columns / parts + multiple - 1) / multiple * multiple;
    if (columns == std::exchange(last, columns) || columns >= key.columns ||
        fullness(key, columns, sms_) < least_fullness)
      continue;
    const auto count = static_cast<int>((key.columns + columns - 1) / columns);
    const int64_t rest = key.columns - (count - 1) * columns;
    std::vector<Plan> plans{plan};
    add_library_candidates(part_of(key, plan.method, columns), plan.method, plans);
    for (const Plan& way : plans)
      if (library_runs(key, way, columns) && library_runs(key, way, rest))
        ways.push_back({.plan = way, .parts = count, .columns = columns});
  }
  return ways;
}

double expected_us(const ProductKey& key, const Plan& plan) {
  constexpr double flops_per_us = 600e6, bytes_per_us = 2.5e6, launch_us = 2;
  if (plan.time_us > 0) return plan.time_us;
  const double flops = 2.0 * static_cast<double>(key.rows) * static_cast<double>(key.in * key.columns);
  return launch_us + std::max(flops / flops_per_us, static_cast<double>(key.weight_bytes()) / bytes_per_us);
}

}  // namespace cotenant
