#include "engine/native/cuda/activation.cuh"
#include "engine/native/cuda/elementwise.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"

namespace cotenant {
namespace {

constexpr int threads = 256;

dim3 blocks_for(int64_t items) {
  return dim3(static_cast<unsigned>((items + threads - 1) / threads));
}

template <typename T, int n, Activation activation>
__global__ void activation_kernel(T* y, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t item = blockIdx.x * int64_t{threads} + threadIdx.x;
  if (item >= items) return;
  float values[n];
  load<T, n>(y + item * n, values);
#pragma unroll
  for (int i = 0; i < n; ++i)
    values[i] = sizeof(T) == 2 ? activate_for_16_bits<activation>(values[i]) : activate<activation>(values[i]);
  store<T, n>(y + item * n, values);
}

// One thread: n values of one token.
template <typename T, int n, Activation activation>
__global__ void gate_kernel(T* y, const T* x, int packs, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t item = blockIdx.x * int64_t{threads} + threadIdx.x;
  if (item >= items) return;
  const int64_t t = item / packs, column = item % packs * n, width = int64_t{packs} * n;
  float gates[n], ups[n];
  load<T, n>(x + t * 2 * width + column, gates);
  load<T, n>(x + t * 2 * width + width + column, ups);
#pragma unroll
  for (int i = 0; i < n; ++i) ups[i] *= activate<activation>(gates[i]);
  store<T, n>(y + item * n, ups);
}

template <typename T, int n>
__global__ void last_rows_kernel(T* y, const T* x, int64_t length, int packs, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t item = blockIdx.x * int64_t{threads} + threadIdx.x;
  if (item >= items) return;
  const int64_t row = item / packs;
  using Values = Pack<T, n>;
  reinterpret_cast<Values*>(y)[item] =
      reinterpret_cast<const Values*>(x)[((row + 1) * length - 1) * packs + item % packs];
}

template <typename T, int n>
__global__ void gather_rows_kernel(T* y, const T* x, const int32_t* rows, int packs, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t item = blockIdx.x * int64_t{threads} + threadIdx.x;
  if (item >= items) return;
  using Values = Pack<T, n>;
  reinterpret_cast<Values*>(y)[item] =
      reinterpret_cast<const Values*>(x)[int64_t{rows[item / packs]} * packs + item % packs];
}

}  // namespace

void launch_activation(cudaStream_t stream, const Tensor& y, Activation activation) {
  with_type(y.dtype, [&]<typename T>(T) {
    with_pack<T>(y.shape[1], [&](auto n) {
      with_activation(activation, [&]<Activation a>() {
        const int64_t items = y.elements() / n;
        launch("activation", stream, activation_kernel<T, n, a>, blocks_for(items), threads, 0, pointer<T>(y), items);
      });
    });
  });
}

void launch_gate(cudaStream_t stream, const Tensor& y, const Tensor& x, Activation activation) {
  with_type(y.dtype, [&]<typename T>(T) {
    with_pack<T>(y.shape[1], [&](auto n) {
      with_activation(activation, [&]<Activation a>() {
        const int64_t items = y.elements() / n;
        launch("gate", stream, gate_kernel<T, n, a>, blocks_for(items), threads, 0, pointer<T>(y), pointer<T>(x),
               static_cast<int>(y.shape[1] / n), items);
      });
    });
  });
}

void launch_last_rows(cudaStream_t stream, const Tensor& y, const Tensor& x) {
  with_type(y.dtype, [&]<typename T>(T) {
    with_pack<T>(y.shape[1], [&](auto n) {
      const int64_t items = y.elements() / n;
      launch("last_rows", stream, last_rows_kernel<T, n>, blocks_for(items), threads, 0, pointer<T>(y), pointer<T>(x),
             x.shape[0] / y.shape[0], static_cast<int>(y.shape[1] / n), items);
    });
  });
}

void launch_gather_rows(cudaStream_t stream, const Tensor& y, const Tensor& x, const Tensor& rows) {
  with_type(y.dtype, [&]<typename T>(T) {
    with_pack<T>(y.shape[1], [&](auto n) {
      const int64_t items = y.elements() / n;
      launch("gather_rows", stream, gather_rows_kernel<T, n>, blocks_for(items), threads, 0, pointer<T>(y),
             pointer<T>(x), static_cast<const int32_t*>(rows.data), static_cast<int>(y.shape[1] / n), items);
    });
  });
}

}  // namespace cotenant
