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

// A block computes 128 rows x `tile` columns of x W^T. One thread has the tensor memory accelerator fetch x and W in
// steps of 64 of their common dimension, several steps ahead; two warpgroups multiply, 64 rows each. The two blocks of
// a cluster lie one above the other: they need the same part of W, and each fetches half of it for both.
//
// A gated product has many tiles, so its blocks stay and take one after another: the first steps of the next tile are
// fetched while the results of this one are written. A tile's part of W are gates and, in the other half, the ups that
// belong to them, so that a thread finds both among its sums. Its W comes from memory in lines of 256 bytes, two steps'
// worth: fewer openings of memory pages, which under a power limit made a pass of Mistral-7B faster by 2% (H100).
namespace cotenant {
namespace {

constexpr int block_rows = 128;
constexpr int step = 64;        // of the common dimension: 128 bytes, the most that the swizzle allows
constexpr int row_bytes = 128;  // of a step
constexpr int unit_bytes = 8 * row_bytes;
constexpr int group_threads = 128;  // of a warpgroup
constexpr int consumers = 2;
constexpr int threads = (1 + consumers) * group_threads;
constexpr int cluster = 2;
constexpr int group_barrier = 1;  // of the first warpgroup; 0 is __syncthreads

// Beside the stages: where blocks stay, the place where results are put together before they are written, which else is
// that of the stages; where they do not, biases, once a warpgroup.
template <int tile, bool gated>
struct Beside {
  alignas(1024) unsigned char rows[block_rows * tile];
};
template <int tile>
struct Beside<tile, false> {
  float bias[consumers][tile];
};

template <int tile, bool gated>
struct Shared : Beside<tile, gated> {
  static constexpr int x_bytes = block_rows * row_bytes;
  static constexpr int w_bytes = tile * row_bytes;
  static constexpr int stages = (224 * 1024 - static_cast<int>(sizeof(Beside<tile, gated>))) / (x_bytes + w_bytes);
  static_assert(gated || (stages >= 4 && 16 * tile * 2 <= 64 * row_bytes), "a warp's result is put where x was");
  alignas(1024) unsigned char x[stages][x_bytes];
  alignas(1024) unsigned char w[stages][w_bytes];
  uint64_t full[stages], empty[stages];
};

struct Arguments {
  void* y;
  const void* bias;
  int rows, columns, steps;  // columns: of y
  int row_tiles, tiles;      // of clusters
  Activation activation;
};

// The tiles of a cluster: cluster_tile, cluster_tile + clusters, ... Neighbours lie one above the other, so that what
// is computed at a time shares its part of W.
struct Tile {
  int row;     // this block's first, of x and y
  int column;  // the first, of y
};

template <int tile, bool gated>
__device__ Tile find_tile(const Arguments& a, int i) {
  return {(i % a.row_tiles * cluster + static_cast<int>(rank_in_cluster())) * block_rows,
          i / a.row_tiles * (gated ? tile / 2 : tile)};
}

__device__ inline int first_tile() {
  return static_cast<int>(blockIdx.x) / cluster;
}

__device__ inline int clusters() {
  return static_cast<int>(gridDim.x) / cluster;
}

// A block without a gate has one tile.
template <bool gated>
__device__ int next_tile(const Arguments& a, int i) {
  return gated ? i + clusters() : a.tiles;
}

// The row of W at row `i` of a tile's part of it.
template <int tile, bool gated>
__device__ int weight_row(const Arguments& a, int column, int i) {
  return column + i + (gated && i >= tile / 2 ? a.columns - tile / 2 : 0);
}

template <int tile, bool gated>
struct Producer {
  Shared<tile, gated>& s;
  const CUtensorMap *x_map, *w_map;
  const Arguments& a;

  __device__ void fetch_x(int stage, const Tile& at, int i) const {
    copy_box(shared_address(s.x[stage]), x_map, i * step, at.row, shared_address(&s.full[stage]));
  }

  // This block's half of W, for both blocks of the cluster.
  __device__ void fetch_w(int stage, const Tile& at, int i) const {
    const int row = static_cast<int>(rank_in_cluster()) * (tile / cluster);
    arrive_expecting(shared_address(&s.full[stage]), s.x_bytes + s.w_bytes);
    copy_box_to_cluster(shared_address(s.w[stage]) + row * row_bytes, w_map, i * step,
                        weight_row<tile, gated>(a, at.column, row), shared_address(&s.full[stage]), (1 << cluster) - 1);
  }

  __device__ void run() const {
    constexpr int stages = Shared<tile, gated>::stages;
    const int ahead = min(stages, a.steps);
    Tile at = find_tile<tile, gated>(a, first_tile());
    for (int i = 0; i < ahead; ++i) fetch_w(i, at, i);  // weights: no kernel of a pass writes them
    wait_for_predecessor();
    int n = 0;  // steps so far, of all tiles
    for (int t = first_tile(); t < a.tiles; t = next_tile<gated>(a, t)) {
      at = find_tile<tile, gated>(a, t);
      for (int i = 0; i < a.steps; ++i, ++n) {
        if (n >= stages) wait_barrier(shared_address(&s.empty[n % stages]), (n / stages - 1) % 2);
        if (n >= ahead) fetch_w(n % stages, at, i);
        fetch_x(n % stages, at, i);
      }
    }
    // The other block's last arrivals come before this one ends.
    for (int i = max(0, n - stages); i < n; ++i) wait_barrier(shared_address(&s.empty[i % stages]), i / stages % 2);
  }
};

// One tile. sums[4 i + 2 r + e]: row 16 warp + lane / 4 + 8 r of the warpgroup's, column 8 i + 2 (lane % 4) + e.
// `n`: steps of all tiles before.
template <typename T, int tile, bool gated>
__device__ void multiply(Shared<tile, gated>& s, float (&sums)[tile / 2], int steps, int n, int group) {
  constexpr int stages = Shared<tile, gated>::stages;
  const auto release = [&](int i) {
    if (threadIdx.x % 32 < cluster) arrive_at(shared_address(&s.empty[i % stages]), threadIdx.x % 32);
  };
  for (int i = 0; i < steps; ++i) {
    const int stage = (n + i) % stages;
    wait_barrier(shared_address(&s.full[stage]), (n + i) / stages % 2);
    const uint64_t x = describe(shared_address(s.x[stage]) + group * 64 * row_bytes, unit_bytes);
    const uint64_t w = describe(shared_address(s.w[stage]), unit_bytes);
    fence_products();
#pragma unroll
    for (int k = 0; k < step / 16; ++k) multiply_tile<T>(sums, x + k * 2, w + k * 2, i > 0 || k > 0);
    commit_products();
    wait_products<1>();
    if (i > 0) release(n + i - 1);
  }
  wait_products<0>();
  settle(sums);
  if (steps > 0) release(n + steps - 1);
}

// Puts a warp's 16 rows of `width` values into shared memory; their 16-byte pieces are exchanged, so that the lanes of
// a warp write to different banks.
template <typename T, int width>
__device__ void stage_rows(unsigned char* staging, const float (&values)[width / 2]) {
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int c = 0; c < width / 8; ++c) {
#pragma unroll
    for (int r = 0; r < 2; ++r)
      *reinterpret_cast<uint32_t*>(staging + (g + 8 * r) * width * 2 + (c ^ g) * 16 + 4 * t) =
          pack_pair<T>(values[4 * c + 2 * r], values[4 * c + 2 * r + 1]);
  }
  __syncwarp();
}

// From shared memory to y, whole rows at a time. A short loop rather than code for each of a thread's sums, which would
// take longer to fetch than to run.
template <typename T, int width, Activation activation>
__device__ void finish_rows(const unsigned char* staging, const Arguments& a, int first_row, int first_column) {
  constexpr int pieces = width / 8;  // 16 bytes each, of a row
  for (int i = threadIdx.x % 32; i < 16 * pieces; i += 32) {
    const int row = i / pieces, piece = i % pieces, column = first_column + piece * 8;
    if (first_row + row >= a.rows || column >= a.columns) continue;
    float values[8];
    load<T, 8>(reinterpret_cast<const T*>(staging + row * width * 2 + (piece ^ (row % 8)) * 16), values);
#pragma unroll
    for (float& value : values) value = activate_for_16_bits<activation>(value);
    store<T, 8>(static_cast<T*>(a.y) + static_cast<int64_t>(first_row + row) * a.columns + column, values);
  }
  __syncwarp();
}

template <int width>
__device__ void add_bias(float (&sums)[width / 2], const float* bias) {
#pragma unroll
  for (int c = 0; c < width / 8; ++c) {
    const float2 b = *reinterpret_cast<const float2*>(bias + 8 * c + 2 * (threadIdx.x % 4));
#pragma unroll
    for (int j = 0; j < 4; ++j) sums[4 * c + j] += j % 2 == 0 ? b.x : b.y;
  }
}

// What is left of a tile when a warp has its sums.
template <typename T, int tile>
__device__ void finish_tile(Shared<tile, false>& s, const Arguments& a, float (&sums)[tile / 2], int row, Tile at) {
  // Its warpgroup alone has read these rows of the stages: their place holds the result once all of its warps are here.
  const int group = row / 64, warp = row / 16 % 4;
  asm volatile("bar.sync %0, %1;" ::"r"(group_barrier + group), "n"(group_threads) : "memory");
  unsigned char* const staging = s.x[warp] + group * 64 * row_bytes;
  add_bias<tile>(sums, s.bias[group]);
  stage_rows<T, tile>(staging, sums);
  with_activation(a.activation, [&]<Activation activation>() {
    finish_rows<T, tile, activation>(staging, a, at.row + row, at.column);
  });
}

template <typename T, int tile>
__device__ void finish_tile(Shared<tile, true>& s, const Arguments& a, float (&sums)[tile / 2], int row, Tile at) {
  float values[tile / 4];
  with_activation(a.activation, [&]<Activation activation>() {
#pragma unroll
    for (int i = 0; i < tile / 4; ++i) values[i] = activate_for_16_bits<activation>(sums[i]) * sums[tile / 4 + i];
  });
  unsigned char* const staging = s.rows + row * tile;
  stage_rows<T, tile / 2>(staging, values);
  finish_rows<T, tile / 2, Activation::none>(staging, a, at.row + row, at.column);
}

// The biases of a block's tile, for one warpgroup.
template <typename T, int tile>
__device__ void load_bias(float (&bias)[tile], const Arguments& a, int column) {
  for (int i = threadIdx.x % group_threads; i < tile; i += group_threads)
    bias[i] = a.bias && column + i < a.columns ? to_float(static_cast<const T*>(a.bias)[column + i]) : 0.0f;
}

template <typename T, int tile, bool gated>
__device__ void consume(Shared<tile, gated>& s, const Arguments& a) {
  const int group = threadIdx.x / group_threads - 1, warp = threadIdx.x / 32 % 4;
  if constexpr (!gated) load_bias<T, tile>(s.bias[group], a, find_tile<tile, gated>(a, first_tile()).column);
  int n = 0;
  for (int t = first_tile(); t < a.tiles; t = next_tile<gated>(a, t), n += a.steps) {
    float sums[tile / 2];
    multiply<T, tile, gated>(s, sums, a.steps, n, group);
    wait_for_predecessor();  // long past; y may be what an earlier kernel read
    finish_tile<T, tile>(s, a, sums, group * 64 + warp * 16, find_tile<tile, gated>(a, t));
  }
}

template <typename T, int tile, bool gated>
__global__ void __cluster_dims__(cluster, 1, 1) __launch_bounds__(threads, 1)
    product_kernel(const __grid_constant__ CUtensorMap x_map, const __grid_constant__ CUtensorMap w_map,
                   const Arguments a) {
  extern __shared__ __align__(1024) unsigned char shared_bytes[];
  auto& s = *reinterpret_cast<Shared<tile, gated>*>(shared_bytes);
  let_successor_start();
  if (threadIdx.x == 0) {
    for (int i = 0; i < s.stages; ++i) {
      init_barrier(shared_address(&s.full[i]), 1);
      init_barrier(shared_address(&s.empty[i]), cluster * consumers * 4);  // one arrival a warp of every block
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  meet_cluster();
  if (threadIdx.x < group_threads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 0) Producer<tile, gated>{s, &x_map, &w_map, a}.run();
    __syncwarp();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    consume<T, tile, gated>(s, a);
  }
}

template <typename T, int tile, bool gated>
void launch_kernel(cudaStream_t stream, const HopperProduct& p) {
  constexpr int shared_bytes = sizeof(Shared<tile, gated>);
  const auto kernel = product_kernel<T, tile, gated>;
  COTENANT_CUDA("linear", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const auto pieces = [](int64_t size, int of) { return static_cast<int>((size + of - 1) / of); };
  const int row_tiles = pieces(p.rows, cluster * block_rows), tiles = row_tiles * pieces(p.columns, tile);
  const int together = gated ? std::min(tiles, std::max(1, p.sms / cluster)) : tiles;
  const Arguments arguments{.y = p.y,
                            .bias = p.bias,
                            .rows = static_cast<int>(p.rows),
                            .columns = static_cast<int>(gated ? p.columns / 2 : p.columns),
                            .steps = pieces(p.in, step),
                            .row_tiles = row_tiles,
                            .tiles = tiles,
                            .activation = p.activation};
  launch("linear", stream, kernel, dim3(static_cast<unsigned>(together * cluster)), dim3(threads), size_t{shared_bytes},
         make_matrix_map(p.dtype, p.x, p.rows, p.in, block_rows),
         make_matrix_map(p.dtype, p.w, p.columns, p.in, tile / cluster, gated ? 256 : 128), arguments);
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

std::span<const HopperPlan> hopper_plans(bool gated) {
  static constexpr std::array<HopperPlan, 2> plans{{{256}, {192}}};
  return std::span(plans).first(gated ? 1 : 2);  // a narrow gated tile was never faster
}

void launch_hopper_product(cudaStream_t stream, const HopperProduct& product, const HopperPlan& plan) {
  with_type(product.dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      if (product.gated && plan.tile_columns == 256) return launch_kernel<T, 256, true>(stream, product);
      if (!product.gated && plan.tile_columns == 256) return launch_kernel<T, 256, false>(stream, product);
      if (!product.gated && plan.tile_columns == 192) return launch_kernel<T, 192, false>(stream, product);
    }
    throw internal_error("linear", "no Hopper kernel for this dtype and plan");
  });
}

}  // namespace cotenant
