#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

// The kernels of the stress kinds. All run `rounds` rounds of equal work.
namespace cotenant {

inline constexpr int compute_threads = 512;
// Per block and round: 16 warps x 64 products of 16 x 8 x 16.
inline constexpr double compute_flops_per_round = 16.0 * 64 * 2 * 16 * 8 * 16;

inline constexpr int stream_threads = 1024;
inline constexpr size_t stream_slot_bytes = size_t{stream_threads} * 16;  // a thread moves 16 bytes
inline constexpr size_t stream_chunk_bytes = 4 * stream_slot_bytes;       // per block and round

// `sink` [1] keeps the compiler from leaving the work out: it is written when a sum happens to have one certain value.
void launch_compute(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, float* sink);

// Blocks walk through `chunks` chunks, the first of them at `first`. Dram: 3 slots of a chunk are read and 1 is
// written, as what will not be needed again. L2: all 4 are read, past L1.
void launch_dram(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, void* buffer, int64_t chunks,
                 int64_t first, uint32_t* sink);
void launch_l2(cudaStream_t stream, int blocks, size_t shared_bytes, int64_t rounds, const void* buffer, int64_t chunks,
               uint32_t* sink);

// One warp that does nothing.
void launch_nothing(cudaStream_t stream);

// Allows the kernels of compute, dram and l2 so much dynamic shared memory.
void allow_shared_memory(size_t bytes);

}  // namespace cotenant
