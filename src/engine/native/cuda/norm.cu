#include "engine/native/cuda/norm.h"

#include "engine/native/cuda/norm.cuh"

namespace cotenant {
namespace {

template <typename T>
struct RowsOfTensor {
  const T* x;
  int64_t width;

  template <int n>
  __device__ void read(int64_t row, int column, float (&values)[n]) const {
    load<T, n>(x + row * width + column, values);
  }
};

}  // namespace

int64_t widest_norm(Dtype dtype, int64_t width) {
  const auto pack = static_cast<int64_t>(16 / size_of(dtype));
  return 4 * norm::most_threads * (width % pack == 0 ? pack : 1);
}

void launch_norm(cudaStream_t stream, const Tensor& y, const Tensor& x, const Norm& norm) {
  with_type(x.dtype, [&]<typename T>(T) {
    const RowsOfTensor<T> rows{static_cast<const T*>(x.data), x.shape[1]};
    norm::launch_of<T>(norm::Call<RowsOfTensor<T>>{"norm", stream, y, rows, norm});
  });
}

}  // namespace cotenant
