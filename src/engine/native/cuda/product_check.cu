#include <cmath>
#include <limits>

#include "engine/native/cuda/activation.cuh"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/product_check.h"
#include "engine/native/cuda/warp.cuh"
#include "engine/native/cuda/weight_kernels.h"

namespace cotenant {
namespace {

constexpr int threads = 256;
constexpr int samples = 4096;  // a warp each

constexpr RandomFill input_noise{.key = 0x9d3f, .mean = 0, .half_width = 1};
constexpr RandomFill result_noise{.key = 0x51c2, .mean = 0, .half_width = 1};

struct Sampled {
  int64_t rows, in, out, columns;
  Activation activation;
  bool accumulate, gated;
  RandomFill before;  // what y held, when accumulate
};

template <typename T>
__device__ float dot(const T* a, const T* b, int64_t length) {
  float sum = 0;
  for (int64_t i = threadIdx.x % 32; i < length; i += 32) sum += to_float(a[i]) * to_float(b[i]);
  return sum_over(sum);
}

// errors: sum of squared errors, sum of squared true values.
template <typename T>
__global__ void sample_errors(double* errors, const T* y, const T* w, const T* bias, const T* x, Sampled product) {
  wait_for_predecessor();
  const int sample = (blockIdx.x * threads + threadIdx.x) / 32;
  const uint64_t where = mix64(static_cast<uint64_t>(sample) + 1);
  const auto width = static_cast<uint64_t>(product.gated ? product.out / 2 : product.out);
  const auto row = static_cast<int64_t>((where & 0xffffffff) % static_cast<uint64_t>(product.rows));
  const auto column = static_cast<int64_t>((where >> 32) % width);
  const int64_t stride = product.gated ? product.columns / 2 : product.columns;

  float value = dot(x + row * product.in, w + column * product.in, product.in) + (bias ? to_float(bias[column]) : 0.0f);
  value = activate(product.activation, value);
  if (product.gated) {
    const int64_t up = column + product.out / 2;
    value *= dot(x + row * product.in, w + up * product.in, product.in) + (bias ? to_float(bias[up]) : 0.0f);
  }
  const int64_t index = row * stride + column;
  if (product.accumulate) value += to_float(from_float<T>(random_value(product.before, static_cast<uint64_t>(index))));
  if (threadIdx.x % 32 != 0) return;
  const double error = static_cast<double>(to_float(y[index])) - value;
  atomicAdd(&errors[0], error * error);
  atomicAdd(&errors[1], static_cast<double>(value) * value);
}

WeightPlace place_of(void* to, Dtype dtype, int64_t rows, int64_t columns) {
  return {.to = to, .dtype = dtype, .rows = rows, .columns = columns};
}

}  // namespace

void poison_result(cudaStream_t stream, const ProductKey& key, void* y) {
  const int64_t columns = key.gated ? key.columns / 2 : key.columns;
  if (key.accumulate) return launch_generate(stream, place_of(y, key.dtype, key.rows, columns), result_noise);
  COTENANT_CUDA("tune", cudaMemsetAsync(y, 0xff, static_cast<size_t>(key.rows * columns) * size_of(key.dtype), stream));
}

void fill_input(cudaStream_t stream, const ProductKey& key, void* x) {
  launch_generate(stream, place_of(x, key.dtype, key.rows, key.in), input_noise);
}

double relative_error(cudaStream_t stream, const ProductKey& key, const ProductOperands& operands, void* scratch) {
  COTENANT_CUDA("tune", cudaMemsetAsync(scratch, 0, 2 * sizeof(double), stream));
  with_type(key.dtype, [&]<typename T>(T) {
    launch(
        "tune", stream, sample_errors<T>, dim3(samples * 32 / threads), dim3(threads), 0, static_cast<double*>(scratch),
        static_cast<const T*>(operands.y), static_cast<const T*>(operands.w), static_cast<const T*>(operands.bias),
        static_cast<const T*>(key.normed ? operands.normed : operands.x),
        Sampled{key.rows, key.in, operands.out, key.columns, key.activation, key.accumulate, key.gated, result_noise});
  });
  double errors[2] = {};
  COTENANT_CUDA("tune", cudaMemcpyAsync(errors, scratch, sizeof errors, cudaMemcpyDeviceToHost, stream));
  COTENANT_CUDA("tune", cudaStreamSynchronize(stream));
  const double relative = std::sqrt(errors[0] / errors[1]);
  return std::isfinite(relative) ? relative : std::numeric_limits<double>::infinity();
}

double tolerated_error(Dtype dtype) {
  switch (dtype) {
    case Dtype::f16:
      return 5e-3;
    case Dtype::bf16:
      return 3e-2;
    default:
      return 1e-4;
  }
}

}  // namespace cotenant
