#include <algorithm>

#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/weight_kernels.h"

namespace cotenant {
namespace {

constexpr int threads = 256;
constexpr int64_t most_blocks = 4096;
constexpr int tile = 32;  // of a transposition: 32 x 8 threads, four values each

// f32 values of a stored matrix, by index.
template <typename From>
struct Stored {
  const From* values;
  __device__ float operator()(int64_t index) const { return to_float(values[index]); }
};

struct Generated {
  RandomFill fill;
  __device__ float operator()(int64_t index) const { return random_value(fill, static_cast<uint64_t>(index)); }
};

template <typename T, typename Source>
__global__ void copy_kernel(T* to, Source source, int64_t count) {
  wait_for_predecessor();
  for (int64_t i = blockIdx.x * int64_t{threads} + threadIdx.x; i < count; i += int64_t{gridDim.x} * threads)
    to[i] = from_float<T>(source(i));
}

// Reads and writes whole stretches of memory on both sides by way of a tile in shared memory.
template <typename T, typename Source>
__global__ void transpose_kernel(T* to, Source source, int64_t rows, int64_t columns, int64_t first_row,
                                 int64_t total_rows) {
  __shared__ float values[tile][tile + 1];
  wait_for_predecessor();
  const int64_t row0 = blockIdx.y * int64_t{tile}, column0 = blockIdx.x * int64_t{tile};
  for (int r = threadIdx.y; r < tile; r += blockDim.y)
    if (row0 + r < rows && column0 + threadIdx.x < columns)
      values[r][threadIdx.x] = source((row0 + r) * columns + column0 + threadIdx.x);
  __syncthreads();
  for (int c = threadIdx.y; c < tile; c += blockDim.y)
    if (row0 + threadIdx.x < rows && column0 + c < columns)
      to[(column0 + c) * total_rows + first_row + row0 + threadIdx.x] = from_float<T>(values[threadIdx.x][c]);
}

template <typename Source>
void launch_place(const char* operation, cudaStream_t stream, const WeightPlace& place, Source source) {
  with_type(place.dtype, [&]<typename T>(T) {
    if (place.transposed) {
      const dim3 grid(static_cast<unsigned>((place.columns + tile - 1) / tile),
                      static_cast<unsigned>((place.rows + tile - 1) / tile));
      return launch(operation, stream, transpose_kernel<T, Source>, grid, dim3(tile, 8), 0, static_cast<T*>(place.to),
                    source, place.rows, place.columns, place.first_row, place.total_rows);
    }
    const int64_t count = place.rows * place.columns;
    const auto blocks = static_cast<unsigned>(std::min(most_blocks, (count + threads - 1) / threads));
    launch(operation, stream, copy_kernel<T, Source>, dim3(blocks), dim3(threads), 0, static_cast<T*>(place.to), source,
           count);
  });
}

}  // namespace

void launch_convert(cudaStream_t stream, const WeightPlace& place, const void* from, Dtype from_dtype) {
  with_type(from_dtype, [&]<typename From>(From) {
    launch_place("convert weights", stream, place, Stored<From>{static_cast<const From*>(from)});
  });
}

void launch_generate(cudaStream_t stream, const WeightPlace& place, const RandomFill& fill) {
  launch_place("generate weights", stream, place, Generated{fill});
}

}  // namespace cotenant
