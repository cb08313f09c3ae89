#include "engine/native/cuda/embed.h"

#include "engine/native/cuda/norm.cuh"

namespace cotenant {
namespace {

constexpr int threads = 256;

template <typename T>
struct EmbeddingRows {
  const T* tokens;
  const T* position_rows;  // or null, as
  const T* type;           // this one
  const int32_t* ids;
  const int32_t* positions;
  int64_t position_offset;
  int64_t width;

  template <int n>
  __device__ void read(int64_t row, int column, float (&sum)[n]) const {
    float term[n];
    load<T, n>(tokens + ids[row] * width + column, sum);
    if (position_rows) {
      load<T, n>(position_rows + (positions[row] + position_offset) * width + column, term);
#pragma unroll
      for (int i = 0; i < n; ++i) sum[i] += term[i];
    }
    if (type) {
      load<T, n>(type + column, term);
#pragma unroll
      for (int i = 0; i < n; ++i) sum[i] += term[i];
    }
  }
};

// One thread: n values of one token.
template <typename T, int n>
__global__ void embed_kernel(T* y, EmbeddingRows<T> rows, int packs, int64_t items) {
  wait_for_predecessor();
  let_successor_start();
  const int64_t item = blockIdx.x * int64_t{threads} + threadIdx.x;
  if (item >= items) return;
  float sum[n];
  rows.read(item / packs, static_cast<int>(item % packs) * n, sum);
  store<T, n>(y + item * n, sum);
}

}  // namespace

void launch_embed(cudaStream_t stream, const Tensor& y, const Embedding& table, const Tensor& ids,
                  const Tensor& positions) {
  with_type(y.dtype, [&]<typename T>(T) {
    const EmbeddingRows<T> rows{.tokens = pointer<T>(table.tokens),
                                .position_rows = pointer<T>(table.positions),
                                .type = pointer<T>(table.type),
                                .ids = pointer<int32_t>(ids),
                                .positions = pointer<int32_t>(positions),
                                .position_offset = table.position_offset,
                                .width = y.shape[1]};
    if (table.norm.scale) return norm::launch_of<T>(norm::Call<EmbeddingRows<T>>{"embed", stream, y, rows, table.norm});
    with_pack<T>(y.shape[1], [&](auto n) {
      const int64_t items = y.elements() / n;
      launch("embed", stream, embed_kernel<T, n>, dim3(static_cast<unsigned>((items + threads - 1) / threads)),
             dim3(threads), 0, static_cast<T*>(y.data), rows, static_cast<int>(y.shape[1] / n), items);
    });
  });
}

}  // namespace cotenant
