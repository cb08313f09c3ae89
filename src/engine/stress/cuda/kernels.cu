#include "engine/native/cuda/check.h"
#include "engine/native/cuda/tensor_core.cuh"
#include "engine/stress/cuda/kernels.h"

namespace cotenant {
namespace {

constexpr int sums = 8;   // independent products of a warp, which hide each other's latency
constexpr int turns = 8;  // of them in a round; even, so that what is added is taken away again
static_assert(compute_flops_per_round == compute_threads / 32 * sums * turns * 2.0 * 16 * 8 * 16);

// A half between -2 and -1 or between 1 and 2, whose mantissa depends on the seed: operands that differ, because a
// product of equal bits draws less power and clocks higher than a real one.
__device__ uint32_t operand(uint32_t seed) {
  uint32_t x = seed * 2654435761u;
  x ^= x >> 15;
  x *= 2246822519u;
  x ^= x >> 13;
  return (x & 0x83ff83ffu) | 0x3c003c00u;
}

__global__ void __launch_bounds__(compute_threads) compute_kernel(int64_t rounds, float* sink) {
  const uint32_t seed = blockIdx.x * compute_threads + threadIdx.x;
  uint32_t a[4], b[sums][2];
  float d[sums][4] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = operand(seed * 8 + i);
#pragma unroll
  for (int i = 0; i < sums; ++i) {
    b[i][0] = operand(seed * 64 + i);
    b[i][1] = operand(seed * 64 + 32 + i);
  }
  for (int64_t round = 0; round < rounds; ++round) {
#pragma unroll
    for (int turn = 0; turn < turns; ++turn) {
#pragma unroll
      for (int i = 0; i < sums; ++i) multiply_add<__half>(d[i], a[0], a[1], a[2], a[3], b[i][0], b[i][1]);
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] ^= 0x80008000u;  // the other sign: the sums stay small
    }
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < sums; ++i) sum += d[i][0] + d[i][1] + d[i][2] + d[i][3];
  if (sum == 1.2345e30f) *sink = sum;
}

template <bool writes>
__global__ void __launch_bounds__(stream_threads)
    stream_kernel(int64_t rounds, uint4* buffer, int64_t chunks, int64_t first, uint32_t* sink) {
  constexpr int64_t slot = stream_slot_bytes / sizeof(uint4), slots = stream_chunk_bytes / stream_slot_bytes;
  constexpr int reads = writes ? slots - 1 : slots;
  uint32_t seen = 0;
  int64_t chunk = (first + blockIdx.x) % chunks;
#pragma unroll 2
  for (int64_t round = 0; round < rounds; ++round) {
    uint4* at = buffer + chunk * slots * slot + threadIdx.x;
    uint4 values[reads];
#pragma unroll
    for (int i = 0; i < reads; ++i) values[i] = writes ? __ldcs(at + i * slot) : __ldcg(at + i * slot);
    if (writes) __stcs(at + reads * slot, make_uint4(threadIdx.x, 0, 0, 0));
#pragma unroll
    for (int i = 0; i < reads; ++i) seen ^= values[i].x ^ values[i].y ^ values[i].z ^ values[i].w;
    chunk += gridDim.x;
    while (chunk >= chunks) chunk -= chunks;
  }
  if (seen == 0x9e3779b9u) *sink = seen;
}

__global__ void nothing_kernel() {}

}  // namespace

void launch_compute(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, float* sink) {
  compute_kernel<<<blocks, compute_threads, shared_bytes, stream>>>(rounds, sink);
  COTENANT_CUDA("stress compute", cudaGetLastError());
}

void launch_dram(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, void* buffer, int64_t chunks,
                 int64_t first, uint32_t* sink) {
  stream_kernel<true>
      <<<blocks, stream_threads, shared_bytes, stream>>>(rounds, static_cast<uint4*>(buffer), chunks, first, sink);
  COTENANT_CUDA("stress dram", cudaGetLastError());
}

void launch_l2(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, const void* buffer, int64_t chunks,
               uint32_t* sink) {
  stream_kernel<false><<<blocks, stream_threads, shared_bytes, stream>>>(
      rounds, static_cast<uint4*>(const_cast<void*>(buffer)), chunks, 0, sink);
  COTENANT_CUDA("stress l2", cudaGetLastError());
}

void launch_nothing(cudaStream_t stream) {
  nothing_kernel<<<1, 32, 0, stream>>>();
  COTENANT_CUDA("stress launch", cudaGetLastError());
}

void allow_shared_memory(size_t bytes) {
  const auto allow = [&](auto* kernel) {
    COTENANT_CUDA("stress",
                  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
  };
  allow(compute_kernel);
  allow(stream_kernel<true>);
  allow(stream_kernel<false>);
}

}  // namespace cotenant
