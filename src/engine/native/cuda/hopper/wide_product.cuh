#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "engine/native/cuda/hopper/sums.cuh"

// Products of a warpgroup with wide results, and what a cluster of two blocks adds to copies and barriers. Operands lie
// as wgmma.cuh says.
namespace cotenant {

// d [64 x n] = a b^T, or += when accumulate; a [64 x 16], b [n x 16], both along rows; n is 2 * the registers of d,
// which are the first operands of the instruction, before a, b and accumulate.
#define COTENANT_PRODUCT(type, n, registers, a_operand, b_operand, accumulate_operand)                               \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #accumulate_operand ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n \
               "k16.f32." type "." type " {" COTENANT_SUMS_##registers "}, %" #a_operand ", %" #b_operand            \
                                                                       ", p, 1, 1, 0, 0;\n}"                         \
               : COTENANT_INOUT_##registers(d)                                                                       \
               : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)))
#define COTENANT_MULTIPLY_TILE(n, registers, ...)                                                       \
  template <typename T>                                                                                 \
  __device__ inline void multiply_tile(float(&d)[registers], uint64_t a, uint64_t b, bool accumulate) { \
    if constexpr (std::is_same_v<T, __half>) {                                                          \
      COTENANT_PRODUCT("f16", n, registers, __VA_ARGS__);                                               \
    } else {                                                                                            \
      COTENANT_PRODUCT("bf16", n, registers, __VA_ARGS__);                                              \
    }                                                                                                   \
  }

COTENANT_MULTIPLY_TILE(64, 32, 32, 33, 34)
COTENANT_MULTIPLY_TILE(144, 72, 72, 73, 74)
COTENANT_MULTIPLY_TILE(192, 96, 96, 97, 98)
COTENANT_MULTIPLY_TILE(256, 128, 128, 129, 130)
#undef COTENANT_MULTIPLY_TILE
#undef COTENANT_PRODUCT

// ---- clusters ----

__device__ inline uint32_t rank_in_cluster() {
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// All threads of all blocks of the cluster have come here. Orders no memory: barriers that were initialised and fenced
// (fence.mbarrier_init) are visible afterwards, nothing else is promised.
__device__ inline void meet_cluster() {
  asm volatile("barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
}

// Arrives at a barrier of the cluster's block `rank`, given by its address in this block.
__device__ inline void arrive_at(uint32_t barrier, uint32_t rank) {
  asm volatile(
      "{\n.reg .b32 there;\n"
      "mapa.shared::cluster.u32 there, %0, %1;\n"
      "mbarrier.arrive.shared::cluster.b64 _, [there];\n}" ::"r"(barrier),
      "r"(rank)
      : "memory");
}

// Copies the map's box at column x, row y to this block's shared memory; what is outside of the matrix becomes zeros.
__device__ inline void copy_box(uint32_t shared, const CUtensorMap* map, int x, int y, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared),
      "l"(map), "r"(x), "r"(y), "r"(barrier)
      : "memory");
}

// The same, to the same place in every block of the cluster that `mask` names, with its barrier at the same place.
__device__ inline void copy_box_to_cluster(uint32_t shared, const CUtensorMap* map, int x, int y, uint32_t barrier,
                                           uint16_t mask) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, "
      "%3}], [%4], %5;" ::"r"(shared),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "h"(mask)
      : "memory");
}

}  // namespace cotenant
