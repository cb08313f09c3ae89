#include <algorithm>

#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/tokens.h"
#include "engine/native/cuda/warp.cuh"

namespace cotenant {
namespace {

constexpr int argmax_threads = 256;
constexpr int small_threads = 128;

// Of one row: the best key so far and the blocks that have added theirs.
struct Best {
  unsigned long long key;
  unsigned blocks_done;
  unsigned padding;
};

// Larger for a larger value, and for a smaller index among equals. 0 is below every key.
__device__ unsigned long long key_of(float value, uint32_t index) {
  uint32_t bits = __float_as_uint(value == 0.0f ? 0.0f : value);  // -0 equals 0
  bits = bits & 0x80000000u && !isnan(value) ? ~bits : bits | 0x80000000u;
  if (isnan(value)) bits = 0xffffffffu;
  return (static_cast<unsigned long long>(bits) << 32) | (0xffffffffu - index);
}

__device__ unsigned long long block_max(unsigned long long key) {
  __shared__ unsigned long long keys[argmax_threads / 32];
  key = max_over(key);
  if (threadIdx.x % 32 == 0) keys[threadIdx.x / 32] = key;
  __syncthreads();
  if (threadIdx.x < 32) {
    key = threadIdx.x < argmax_threads / 32 ? keys[threadIdx.x] : 0;
    key = max_over(key);
  }
  return key;
}

// Block (b, row) looks at every gridDim.x-th stretch of the row; the last block of a row to finish writes its id.
template <typename T, int n>
__global__ void argmax_kernel(int32_t* ids, const T* logits, int64_t stride, int vocab, Best* best) {
  wait_for_predecessor();
  let_successor_start();
  const int row = blockIdx.y;
  const T* values = logits + row * stride;
  unsigned long long key = 0;
  for (int first = (blockIdx.x * argmax_threads + threadIdx.x) * n; first < vocab;
       first += gridDim.x * argmax_threads * n) {
    float some[n];
    load<T, n>(values + first, some);
#pragma unroll
    for (int i = 0; i < n; ++i)
      if (first + i < vocab) key = max(key, key_of(some[i], static_cast<uint32_t>(first + i)));
  }
  key = block_max(key);
  if (threadIdx.x != 0) return;
  atomicMax(&best[row].key, key);
  __threadfence();
  if (atomicAdd(&best[row].blocks_done, 1u) != gridDim.x - 1) return;
  __threadfence();
  ids[row] = static_cast<int32_t>(0xffffffffu - static_cast<uint32_t>(atomicExch(&best[row].key, 0ull)));
  best[row].blocks_done = 0;
}

__global__ void set_positions_kernel(int32_t* positions, int32_t value, int rows) {
  wait_for_predecessor();
  let_successor_start();
  const int row = blockIdx.x * small_threads + threadIdx.x;
  if (row < rows) positions[row] = value;
}

// One block. The count is written after the tokens are visible to the host.
__global__ void advance_kernel(int32_t* positions, const int32_t* ids, int32_t* ring, int32_t* host_count,
                               int32_t* passes, int rows, int slots, int slot_width) {
  wait_for_predecessor();
  let_successor_start();
  const auto count = static_cast<uint32_t>(*passes);
  int32_t* slot = ring + static_cast<int64_t>(count % static_cast<uint32_t>(slots)) * slot_width;
  for (int row = threadIdx.x; row < rows; row += small_threads) {
    slot[row] = ids[row];
    if (positions) positions[row] += 1;
  }
  __threadfence_system();
  __syncthreads();
  if (threadIdx.x != 0) return;
  *passes = static_cast<int32_t>(count + 1);
  *host_count = static_cast<int32_t>(count + 1);
}

}  // namespace

size_t argmax_scratch_bytes(int64_t rows) {
  return static_cast<size_t>(rows) * sizeof(Best);
}

void launch_argmax(cudaStream_t stream, const Tensor& ids, const Tensor& logits, int64_t vocab, void* scratch) {
  with_type(logits.dtype, [&]<typename T>(T) {
    const int64_t stride = logits.shape[1];
    with_pack<T>(stride, [&](auto n) {
      // A few loads a thread; rows need no more blocks than the device has room for.
      const int64_t blocks = std::clamp<int64_t>(vocab / (argmax_threads * n * 2), 1, 64);
      launch("argmax", stream, argmax_kernel<T, n>,
             dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(logits.shape[0])), dim3(argmax_threads), 0,
             static_cast<int32_t*>(ids.data), static_cast<const T*>(logits.data), stride, static_cast<int>(vocab),
             static_cast<Best*>(scratch));
    });
  });
}

void launch_set_positions(cudaStream_t stream, const Tensor& positions, int32_t value) {
  const auto rows = static_cast<int>(positions.elements());
  launch("set_positions", stream, set_positions_kernel,
         dim3(static_cast<unsigned>((rows + small_threads - 1) / small_threads)), dim3(small_threads), 0,
         static_cast<int32_t*>(positions.data), value, rows);
}

void launch_advance(cudaStream_t stream, const Tensor& positions, const Tensor& ids, const TokenRing& ring,
                    int32_t* passes) {
  launch("advance", stream, advance_kernel, dim3(1), dim3(small_threads), 0, static_cast<int32_t*>(positions.data),
         static_cast<const int32_t*>(ids.data), static_cast<int32_t*>(ring.slots.data),
         static_cast<int32_t*>(ring.count.data), passes, static_cast<int>(ids.elements()),
         static_cast<int>(ring.slots.shape[0]), static_cast<int>(ring.slots.shape[1]));
}

}  // namespace cotenant
