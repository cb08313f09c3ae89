#include <algorithm>
#include <array>

#include "base/error.h"
#include "engine/native/cuda/activation.cuh"
#include "engine/native/cuda/hopper/tensor_map.h"
#include "engine/native/cuda/hopper/wgmma.cuh"
#include "engine/native/cuda/hopper/wide_product.cuh"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/cuda/product_hopper.h"
#include "engine/native/cuda/tensor_core.cuh"

// A block computes 128 rows x `tile` columns of y. One thread has the tensor memory accelerator fetch x and W in steps
// of 64 of their common dimension, several steps ahead; two warpgroups multiply, 64 rows each. The
// blocks of a cluster lie one above the other: they need the same part of W, and each fetches a share of it for all. In
// a gated product a block's part of W are gates and the ups that belong to them.
namespace cotenant {
namespace {

constexpr int block_rows = 128;
constexpr int step = 64;        // of the common dimension: 128 bytes, the most that the swizzle allows
constexpr int row_bytes = 128;  // of a step
constexpr int unit_bytes = 8 * row_bytes;
constexpr int group_threads = 128;  // of a warpgroup
constexpr int consumers = 2;
constexpr int threads = (1 + consumers) * group_threads;
constexpr int consumer_barrier = 1;  // 0 is __syncthreads

template <int tile>
struct Shared {
  static constexpr int x_bytes = block_rows * row_bytes;
  static constexpr int w_bytes = tile * row_bytes;
  static constexpr int stages = 200 * 1024 / (x_bytes + w_bytes);
  static_assert(stages * x_bytes >= block_rows * tile * 2, "the result is put together where x was");
  alignas(1024) unsigned char x[stages][x_bytes];
  alignas(1024) unsigned char w[stages][w_bytes];
  uint64_t full[stages], empty[stages];
  float bias[tile];
};

struct Arguments {
  void* y;
  const void* bias;
  int rows, columns, steps;  // columns: of y
  Activation activation;
  bool gated;
};

// The first column of y that is this block's.
template <int tile>
__device__ int first_column(const Arguments& a) {
  return static_cast<int>(blockIdx.y) * (a.gated ? tile / 2 : tile);
}

// The row of W at row `i` of this block's tile of it. A gated tile has gates in its first half and ups in the other.
template <int tile>
__device__ int weight_row(const Arguments& a, int i) {
  const int up = a.gated && i >= tile / 2;
  return first_column<tile>(a) + i + up * (a.columns - tile / 2);
}

template <int tile>
__device__ void fetch_x(Shared<tile>& s, const CUtensorMap* map, int stage, int i) {
  copy_box(shared_address(s.x[stage]), map, i * step, blockIdx.x * block_rows, shared_address(&s.full[stage]));
}

// This block's share of W, for all blocks of the cluster.
template <int tile, int cluster>
__device__ void fetch_w(Shared<tile>& s, const CUtensorMap* map, const Arguments& a, int stage, int i) {
  const int row = static_cast<int>(rank_in_cluster()) * (tile / cluster);
  arrive_expecting(shared_address(&s.full[stage]), Shared<tile>::x_bytes + Shared<tile>::w_bytes);
  copy_box_to_cluster(shared_address(s.w[stage]) + row * row_bytes, map, i * step, weight_row<tile>(a, row),
                      shared_address(&s.full[stage]), (1 << cluster) - 1);
}

template <int tile, int cluster>
__device__ void produce(Shared<tile>& s, const CUtensorMap* x_map, const CUtensorMap* w_map, const Arguments& a) {
  constexpr int stages = Shared<tile>::stages;
  const int ahead = min(stages, a.steps);
  for (int i = 0; i < ahead; ++i)
    fetch_w<tile, cluster>(s, w_map, a, i, i);  // weights: no kernel of a pass writes them
  wait_for_predecessor();
  for (int i = 0; i < ahead; ++i) fetch_x(s, x_map, i, i);
  for (int i = stages; i < a.steps; ++i) {
    const int stage = i % stages;
    wait_barrier(shared_address(&s.empty[stage]), (i / stages - 1) % 2);
    fetch_w<tile, cluster>(s, w_map, a, stage, i);
    fetch_x(s, x_map, stage, i);
  }
}

// sums[4 i + 2 r + e]: row 16 warp + lane / 4 + 8 r of the warpgroup's, column 8 i + 2 (lane % 4) + e.
template <typename T, int tile, int cluster>
__device__ void multiply(Shared<tile>& s, float (&sums)[tile / 2], int steps, int group) {
  constexpr int stages = Shared<tile>::stages;
  const auto release = [&](int i) {
    if (threadIdx.x % 32 < cluster) arrive_at(shared_address(&s.empty[i % stages]), threadIdx.x % 32);
  };
  for (int i = 0; i < steps; ++i) {
    const int stage = i % stages;
    wait_barrier(shared_address(&s.full[stage]), i / stages % 2);
    const uint64_t x = describe(shared_address(s.x[stage]) + group * 64 * row_bytes, unit_bytes);
    const uint64_t w = describe(shared_address(s.w[stage]), unit_bytes);
    fence_products();
#pragma unroll
    for (int k = 0; k < step / 16; ++k) multiply_tile<T>(sums, x + k * 2, w + k * 2, i > 0 || k > 0);
    commit_products();
    wait_products<1>();
    if (i > 0) release(i - 1);
  }
  wait_products<0>();
  settle(sums);
}

// Puts the sums and biases of a warp's 16 rows into shared memory: rows of `tile` values whose 16-byte pieces are
// exchanged, so that the lanes of a warp write to different banks.
template <typename T, int tile>
__device__ void stage_rows(unsigned char* staging, const float (&sums)[tile / 2], const float* bias) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int c = 0; c < tile / 8; ++c) {
    const float2 b = *reinterpret_cast<const float2*>(bias + 8 * c + 2 * t);
#pragma unroll
    for (int r = 0; r < 2; ++r)
      *reinterpret_cast<uint32_t*>(staging + (g + 8 * r) * tile * 2 + (c ^ g) * 16 + 4 * t) =
          pack_pair<T>(sums[4 * c + 2 * r] + b.x, sums[4 * c + 2 * r + 1] + b.y);
  }
  __syncwarp();
}

template <typename T, int tile>
__device__ void load_piece(const unsigned char* staging, int row, int piece, float (&values)[8]) {
  load<T, 8>(reinterpret_cast<const T*>(staging + row * tile * 2 + (piece ^ (row % 8)) * 16), values);
}

// From shared memory to y, whole rows at a time. A short loop rather than code for each of a thread's sums, which would
// take longer to fetch than to run.
template <typename T, int tile, Activation activation>
__device__ void finish_rows(const unsigned char* staging, const Arguments& a, int first_row) {
  const int pieces = a.gated ? tile / 16 : tile / 8;  // 16-byte pieces of a row of y
  for (int i = threadIdx.x % 32; i < 16 * pieces; i += 32) {
    const int row = i / pieces, piece = i % pieces, column = first_column<tile>(a) + piece * 8;
    if (first_row + row >= a.rows || column >= a.columns) continue;
    float values[8];
    load_piece<T, tile>(staging, row, piece, values);
#pragma unroll
    for (float& value : values) value = activate_for_16_bits<activation>(value);
    if (a.gated) {
      float ups[8];
      load_piece<T, tile>(staging, row, piece + pieces, ups);
#pragma unroll
      for (int j = 0; j < 8; ++j) values[j] *= ups[j];
    }
    store<T, 8>(static_cast<T*>(a.y) + static_cast<int64_t>(first_row + row) * a.columns + column, values);
  }
}

template <typename T, int tile, int cluster>
__device__ void consume(Shared<tile>& s, const Arguments& a) {
  const int group = threadIdx.x / group_threads - 1, warp = threadIdx.x / 32 % 4;
  float sums[tile / 2];
  multiply<T, tile, cluster>(s, sums, a.steps, group);
  wait_for_predecessor();  // long past; y may be what an earlier kernel read
  // The stages are no longer needed once both warpgroups are through: their place holds the result.
  asm volatile("bar.sync %0, %1;" ::"n"(consumer_barrier), "n"(consumers * group_threads) : "memory");
  const int row = group * 64 + warp * 16;
  unsigned char* const staging = s.x[0] + row * tile * 2;
  const int first_row = blockIdx.x * block_rows + row;
  stage_rows<T, tile>(staging, sums, s.bias);
  switch (a.activation) {
    case Activation::gelu_tanh:
      return finish_rows<T, tile, Activation::gelu_tanh>(staging, a, first_row);
    case Activation::gelu_erf:
      return finish_rows<T, tile, Activation::gelu_erf>(staging, a, first_row);
    case Activation::silu:
      return finish_rows<T, tile, Activation::silu>(staging, a, first_row);
    case Activation::relu:
      return finish_rows<T, tile, Activation::relu>(staging, a, first_row);
    case Activation::none:
      return finish_rows<T, tile, Activation::none>(staging, a, first_row);
  }
}

template <typename T, int tile, int cluster>
__global__ void __cluster_dims__(cluster, 1, 1) __launch_bounds__(threads, 1)
    product_kernel(const __grid_constant__ CUtensorMap x_map, const __grid_constant__ CUtensorMap w_map,
                   const Arguments a) {
  extern __shared__ __align__(1024) unsigned char shared_bytes[];
  auto& s = *reinterpret_cast<Shared<tile>*>(shared_bytes);
  let_successor_start();
  if (threadIdx.x == 0) {
    for (int i = 0; i < Shared<tile>::stages; ++i) {
      init_barrier(shared_address(&s.full[i]), 1);
      init_barrier(shared_address(&s.empty[i]), cluster * consumers * 4);  // one arrival a warp of every block
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  for (int i = threadIdx.x; i < tile; i += threads) {
    const bool inside = first_column<tile>(a) + i % (a.gated ? tile / 2 : tile) < a.columns;
    s.bias[i] = a.bias && inside ? to_float(static_cast<const T*>(a.bias)[weight_row<tile>(a, i)]) : 0.0f;
  }
  __syncthreads();
  meet_cluster();
  if (threadIdx.x < group_threads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 0) produce<tile, cluster>(s, &x_map, &w_map, a);
    __syncwarp();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    consume<T, tile, cluster>(s, a);
  }
  meet_cluster();  // other blocks may still arrive at barriers here
}

template <typename T, int tile, int cluster>
void launch_kernel(cudaStream_t stream, const HopperProduct& p) {
  constexpr int shared_bytes = sizeof(Shared<tile>);
  const auto kernel = product_kernel<T, tile, cluster>;
  COTENANT_CUDA("linear", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const auto tiles = [](int64_t size, int of) { return static_cast<unsigned>((size + of - 1) / of); };
  const dim3 grid(tiles(p.rows, cluster * block_rows) * cluster, tiles(p.columns, tile));
  const Arguments arguments{p.y,
                            p.bias,
                            static_cast<int>(p.rows),
                            static_cast<int>(p.gated ? p.columns / 2 : p.columns),
                            static_cast<int>(tiles(p.in, step)),
                            p.activation,
                            p.gated};
  launch("linear", stream, kernel, grid, dim3(threads), size_t{shared_bytes},
         make_matrix_map(p.dtype, p.x, p.rows, p.in, block_rows),
         make_matrix_map(p.dtype, p.w, p.columns, p.in, tile / cluster), arguments);
}

}  // namespace

bool hopper_product_supported(Dtype dtype, int64_t rows, int64_t in, int64_t columns, bool gated) {
  if ((dtype != Dtype::f16 && dtype != Dtype::bf16) || rows < 1) return false;
  if (in % 8 != 0 || columns % (gated ? 16 : 8) != 0) return false;
  int device = 0, major = 0;
  COTENANT_CUDA("linear", cudaGetDevice(&device));
  COTENANT_CUDA("linear", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major == 9;
}

std::span<const HopperPlan> hopper_plans() {
  static constexpr std::array<HopperPlan, 2> plans{{{192, 2}, {256, 2}}};  // clusters of four were never faster
  return plans;
}

void launch_hopper_product(cudaStream_t stream, const HopperProduct& product, const HopperPlan& plan) {
  with_type(product.dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      if (plan.tile_columns == 192 && plan.cluster == 2) return launch_kernel<T, 192, 2>(stream, product);
      if (plan.tile_columns == 256 && plan.cluster == 2) return launch_kernel<T, 256, 2>(stream, product);
    }
    throw internal_error("linear", "no Hopper kernel for this dtype and plan");
  });
}

}  // namespace cotenant
