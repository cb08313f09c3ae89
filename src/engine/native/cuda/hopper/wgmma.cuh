#pragma once

#include <cuda.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>
#include <type_traits>

#include "engine/native/cuda/hopper/sums.cuh"

// What Hopper (sm_90a) adds to PTX: barriers in shared memory that count bytes, tensor copies (TMA) that complete on
// them, and products of a warpgroup (4 warps) whose operand B, or both operands, come from shared memory.
//
// Operands in shared memory are made of rows of 64 elements (128 bytes) with the 16-byte pieces of row r exchanged by
// XOR with r % 8 ("128-byte swizzle"), as TMA writes them; 8 such rows are one unit of 1024 bytes.
namespace cotenant {

// ---- barriers ----

__device__ inline void init_barrier(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ inline void arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ inline void arrive_expecting(uint32_t barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// Waits for the end of the barrier's phase number `parity`, counted modulo 2 from 0.
__device__ inline void wait_barrier(uint32_t barrier, int parity) {
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

// So that the first copy by a map need not wait for the map.
__device__ inline void prefetch_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

// Copies the map's box at column x, row y of matrix z to shared memory; rows and columns outside become zeros.
__device__ inline void copy_box(uint32_t shared, const CUtensorMap* map, int x, int y, int z, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];" ::
          "r"(shared),
      "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier)
      : "memory");
}

// Four 8 x 8 matrices of 2-byte elements to shared memory: of each a lane holds the pair at row lane / 4, columns
// 2 (lane % 4)..., and lane i gives the address of row i % 8 of matrix i / 8.
__device__ inline void store_matrices(uint32_t shared, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared), "r"(a), "r"(b), "r"(c),
               "r"(d)
               : "memory");
}

// ---- products of a warpgroup ----

// Describes an operand at an address. Along rows (the product's k within a row): units of 8 rows follow each other at
// `unit_stride`. Across rows (k along the rows, transposed): units of 8 rows at `unit_stride`, and the next 64 columns
// at `column_stride`.
__device__ inline uint64_t describe(uint32_t address, uint32_t unit_stride, uint32_t column_stride = 16) {
  return (uint64_t{address & 0x3ffff} >> 4) | (uint64_t{column_stride} >> 4 << 16) |
         (uint64_t{unit_stride} >> 4 << 32) | (uint64_t{1} << 62);
}

// Before the first product and after registers of one were written by other instructions.
__device__ inline void fence_products() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ inline void commit_products() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Until at most `pending` of the committed groups are unfinished.
template <int pending>
__device__ inline void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

// Keeps the compiler from using registers of a product before the wait above this.
template <int n>
__device__ inline void settle(float (&registers)[n]) {
#pragma unroll
  for (int i = 0; i < n; ++i) asm volatile("" : "+f"(registers[i])::"memory");
}

// d [64 x 128] = a b^T, or += when accumulate; a [64 x 16], b [128 x 16], both along rows.
#define COTENANT_PRODUCT(type)                                                           \
  asm volatile(                                                                          \
      "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"                                       \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {" COTENANT_SUMS_64 \
      "}, %64, %65, p, 1, 1, 0, 0;\n}"                                                   \
      : COTENANT_INOUT_64(d)                                                             \
      : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)))

template <typename T>
__device__ inline void multiply_rows(float (&d)[64], uint64_t a, uint64_t b, bool accumulate) {
  if constexpr (std::is_same_v<T, __half>) {
    COTENANT_PRODUCT("f16");
  } else {
    COTENANT_PRODUCT("bf16");
  }
}
#undef COTENANT_PRODUCT

// d [64 x 128 or 64] += a b; a [64 x 16] in registers as for mma.m16n8k16, b [16 x 128 or 64] across rows.
#define COTENANT_PRODUCT(type)                                                                    \
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " {" COTENANT_SUMS_64 \
               "}, {%64, %65, %66, %67}, %68, 1, 1, 1, 1;"                                        \
               : COTENANT_INOUT_64(d)                                                             \
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b))

template <typename T>
__device__ inline void multiply_columns(float (&d)[64], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                        uint64_t b) {
  if constexpr (std::is_same_v<T, __half>) {
    COTENANT_PRODUCT("f16");
  } else {
    COTENANT_PRODUCT("bf16");
  }
}
#undef COTENANT_PRODUCT

#define COTENANT_PRODUCT(type)                                                                   \
  asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " {" COTENANT_SUMS_32 \
               "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"                                       \
               : COTENANT_INOUT_32(d)                                                            \
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "l"(b))

template <typename T>
__device__ inline void multiply_columns(float (&d)[32], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3,
                                        uint64_t b) {
  if constexpr (std::is_same_v<T, __half>) {
    COTENANT_PRODUCT("f16");
  } else {
    COTENANT_PRODUCT("bf16");
  }
}
#undef COTENANT_PRODUCT

}  // namespace cotenant
