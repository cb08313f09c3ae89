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
// What is computed. A product that adds to y has few columns: its tiles are narrow, and the blocks of a cluster lie
// side by side, so that they need the same part of x, of which each fetches half.
enum class Kind { plain, gated, adding };  // gated, or accumulate

constexpr int most_shared_bytes = 227 * 1024;  // of a block
constexpr int barriers_bytes = 1024;

// A row of results on its way to y; a little longer than it is, so that the lanes of a warp write to different banks.
template <int width>
inline constexpr int staged_row_bytes = width * 2 + 16;
template <int width>
inline constexpr int staging_bytes = block_rows* staged_row_bytes<width>;

// Where blocks stay, their results are put together beside the stages, else in their place.
template <int tile, Kind kind>
struct Shared {
  static constexpr int beside_bytes = kind == Kind::gated ? staging_bytes<tile / 2> : 0;
  static constexpr int x_bytes = block_rows * row_bytes;
  static constexpr int w_bytes = tile * row_bytes;
  static constexpr int stages = (most_shared_bytes - barriers_bytes - beside_bytes) / (x_bytes + w_bytes);
  static_assert(kind == Kind::gated || staging_bytes<tile> <= stages * (x_bytes + w_bytes));
  alignas(1024) unsigned char x[stages][x_bytes];
  alignas(1024) unsigned char w[stages][w_bytes];
  unsigned char beside[beside_bytes + 16];
  uint64_t full[stages], empty[stages];

  __device__ unsigned char* staging() { return kind == Kind::gated ? beside : x[0]; }
};

struct Arguments {
  void* y;
  const void* bias;
  int rows, columns, steps;  // columns: of y
  int row_tiles;             // of clusters
  int first, tiles;          // of clusters: those from first on and before tiles
  Activation activation;
};

// The tiles of a cluster: first_tile(), first_tile() + clusters(), ... Neighbours lie one above the other, so that what
// is computed at a time shares its part of W.
struct Tile {
  int row;     // this block's first, of x and y
  int column;  // the first, of y
};

template <int tile, Kind kind>
__device__ Tile find_tile(const Arguments& a, int i) {
  const int rank = static_cast<int>(rank_in_cluster()), above = i % a.row_tiles, beside = i / a.row_tiles;
  if (kind == Kind::adding) return {above * block_rows, (beside * cluster + rank) * tile};
  return {(above * cluster + rank) * block_rows, beside * (kind == Kind::gated ? tile / 2 : tile)};
}

__device__ inline int first_tile(const Arguments& a) {
  return a.first + static_cast<int>(blockIdx.x) / cluster;
}

__device__ inline int clusters() {
  return static_cast<int>(gridDim.x) / cluster;
}

// A block without a gate has one tile.
template <Kind kind>
__device__ int next_tile(const Arguments& a, int i) {
  return kind == Kind::gated ? i + clusters() : a.tiles;
}

// The row of W at row `i` of a tile's part of it.
template <int tile, Kind kind>
__device__ int weight_row(const Arguments& a, int column, int i) {
  return column + i + (kind == Kind::gated && i >= tile / 2 ? a.columns - tile / 2 : 0);
}

template <int tile, Kind kind>
struct Producer {
  Shared<tile, kind>& s;
  const CUtensorMap *x_map, *w_map;
  const Arguments& a;

  // The mask of both blocks of a cluster: of what they share each fetches half, for both.
  static constexpr int both = (1 << cluster) - 1;

  __device__ void fetch_x(int stage, const Tile& at, int i) const {
    const uint32_t to = shared_address(s.x[stage]), full = shared_address(&s.full[stage]);
    if constexpr (kind == Kind::adding) {
      const int row = static_cast<int>(rank_in_cluster()) * (block_rows / cluster);
      copy_box_to_cluster(to + row * row_bytes, x_map, i * step, at.row + row, full, both);
    } else {
      copy_box(to, x_map, i * step, at.row, full);
    }
  }

  __device__ void fetch_w(int stage, const Tile& at, int i) const {
    const uint32_t to = shared_address(s.w[stage]), full = shared_address(&s.full[stage]);
    arrive_expecting(full, s.x_bytes + s.w_bytes);
    if constexpr (kind == Kind::adding) {
      copy_box(to, w_map, i * step, at.column, full);
    } else {
      const int row = static_cast<int>(rank_in_cluster()) * (tile / cluster);
      copy_box_to_cluster(to + row * row_bytes, w_map, i * step, weight_row<tile, kind>(a, at.column, row), full, both);
    }
  }

  __device__ void run() const {
    constexpr int stages = Shared<tile, kind>::stages;
    const int ahead = min(stages, a.steps);
    Tile at = find_tile<tile, kind>(a, first_tile(a));
    for (int i = 0; i < ahead; ++i) fetch_w(i, at, i);  // weights: no kernel of a pass writes them
    wait_for_predecessor();
    int n = 0;  // steps so far, of all tiles
    for (int t = first_tile(a); t < a.tiles; t = next_tile<kind>(a, t)) {
      at = find_tile<tile, kind>(a, t);
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
template <typename T, int tile, Kind kind>
__device__ void multiply(Shared<tile, kind>& s, float (&sums)[tile / 2], int steps, int n) {
  constexpr int stages = Shared<tile, kind>::stages;
  const int group = threadIdx.x / group_threads - 1;
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

// Puts a warp's 16 rows of `width` values into shared memory.
template <typename T, int width>
__device__ void stage_rows(unsigned char* staging, const float (&values)[width / 2]) {
  const int lane = threadIdx.x % 32;
  const uint32_t at = shared_address(staging) + lane % 16 * staged_row_bytes<width> + lane / 16 * 16;
  const auto pair = [&](int i) { return pack_pair<T>(values[i], values[i + 1]); };
#pragma unroll
  for (int c = 0; c < width / 8; c += 2)
    store_matrices(at + c * 16, pair(4 * c), pair(4 * c + 2), pair(4 * c + 4), pair(4 * c + 6));
  __syncwarp();
}

// 8 values.
template <typename T, Activation activation>
__device__ uint4 activate_piece(uint4 piece) {
  if constexpr (activation == Activation::none) {
    return piece;
  } else if constexpr (std::is_same_v<T, __half> && has_pairs<activation>) {
    auto* const pairs = reinterpret_cast<__half2*>(&piece);
#pragma unroll
    for (int i = 0; i < 4; ++i) pairs[i] = activate_pair<activation>(pairs[i]);
    return piece;
  } else {
    float values[8];
    load<T, 8>(reinterpret_cast<const T*>(&piece), values);
#pragma unroll
    for (float& value : values) value = activate_for_16_bits<activation>(value);
    store<T, 8>(reinterpret_cast<T*>(&piece), values);
    return piece;
  }
}

// From shared memory to y, whole rows at a time. A short loop rather than code for each of a thread's sums, which would
// take longer to fetch than to run.
template <typename T, int width, Activation activation>
__device__ void finish_rows(const unsigned char* staging, const Arguments& a, int first_row, int first_column) {
  constexpr int pieces = width / 8;  // 16 bytes each, of a row
#pragma unroll 2
  for (int i = threadIdx.x % 32; i < 16 * pieces; i += 32) {
    const int row = i / pieces, piece = i % pieces, column = first_column + piece * 8;
    if (first_row + row >= a.rows || column >= a.columns) continue;
    T* const to = static_cast<T*>(a.y) + static_cast<int64_t>(first_row + row) * a.columns + column;
    *reinterpret_cast<uint4*>(to) = activate_piece<T, activation>(
        *reinterpret_cast<const uint4*>(staging + row * staged_row_bytes<width> + piece * 16));
  }
  __syncwarp();
}

// The biases of a thread's sums: of columns 8 c + 2 (lane % 4) and the next. Asked for before the sums are there.
template <typename T, int tile>
struct Bias {
  uint32_t pairs[tile / 8];

  __device__ Bias(const Arguments& a, int first_column) {
#pragma unroll
    for (int c = 0; c < tile / 8; ++c) {
      const int column = first_column + 8 * c + 2 * (threadIdx.x % 4);
      pairs[c] =
          a.bias && column < a.columns ? *reinterpret_cast<const uint32_t*>(static_cast<const T*>(a.bias) + column) : 0;
    }
  }
  __device__ void add_to(float (&sums)[tile / 2]) const {
#pragma unroll
    for (int c = 0; c < tile / 8; ++c) {
      const float2 bias = unpack_pair<T>(pairs[c]);
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[4 * c + j] += j % 2 == 0 ? bias.x : bias.y;
    }
  }
};

// The values of y that a thread's sums are added to; asked for while the product is computed.
template <typename T, int tile>
struct Before {
  uint32_t pairs[tile / 8][2];

  // `row`: the first of the warp's rows of the tile.
  __device__ Before(const Arguments& a, int row, Tile at) {
    const int first_row = at.row + row + threadIdx.x % 32 / 4, first_column = at.column + 2 * (threadIdx.x % 4);
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const T* const y = static_cast<const T*>(a.y) + static_cast<int64_t>(first_row + 8 * r) * a.columns;
#pragma unroll
      for (int c = 0; c < tile / 8; ++c) {
        const int column = first_column + 8 * c;
        pairs[c][r] =
            first_row + 8 * r < a.rows && column < a.columns ? *reinterpret_cast<const uint32_t*>(y + column) : 0;
      }
    }
  }
  __device__ void add_to(float (&sums)[tile / 2]) const {
#pragma unroll
    for (int c = 0; c < tile / 8; ++c)
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const float2 before = unpack_pair<T>(pairs[c][r]);
        sums[4 * c + 2 * r] += before.x;
        sums[4 * c + 2 * r + 1] += before.y;
      }
  }
};

// What is left of a tile when a warp has its sums; `row`: the first of the warp's rows.
template <typename T, int tile>
__device__ void finish_tile(unsigned char* staging, const Arguments& a, const float (&sums)[tile / 2], int row,
                            Tile at) {
  // The place of the stages holds the result once nobody reads them any more.
  asm volatile("bar.sync 1, %0;" ::"n"(consumers * group_threads) : "memory");
  staging += row * staged_row_bytes<tile>;
  stage_rows<T, tile>(staging, sums);
  with_activation(a.activation, [&]<Activation activation>() {
    finish_rows<T, tile, activation>(staging, a, at.row + row, at.column);
  });
}

template <typename T, int tile>
__device__ void finish_gated_tile(unsigned char* staging, const Arguments& a, const float (&sums)[tile / 2], int row,
                                  Tile at) {
  float values[tile / 4];
  with_activation(a.activation, [&]<Activation activation>() {
#pragma unroll
    for (int i = 0; i < tile / 4; ++i) values[i] = activate_for_16_bits<activation>(sums[i]) * sums[tile / 4 + i];
  });
  staging += row * staged_row_bytes<tile / 2>;
  stage_rows<T, tile / 2>(staging, values);
  finish_rows<T, tile / 2, Activation::none>(staging, a, at.row + row, at.column);
}

// The first of a consuming warp's rows of a tile.
__device__ inline int warp_row() {
  return (static_cast<int>(threadIdx.x) - group_threads) / 32 * 16;
}

template <typename T, int tile, Kind kind>
__device__ void consume(Shared<tile, kind>& s, const Arguments& a) {
  const Tile at = find_tile<tile, kind>(a, first_tile(a));
  const Bias<T, tile> bias(a, at.column);
  float sums[tile / 2];
  if constexpr (kind == Kind::adding) {
    wait_for_predecessor();
    const Before<T, tile> before(a, warp_row(), at);
    multiply<T, tile, kind>(s, sums, a.steps, 0);
    before.add_to(sums);
  } else {
    multiply<T, tile, kind>(s, sums, a.steps, 0);
    wait_for_predecessor();  // long past; y may be what an earlier kernel read
  }
  bias.add_to(sums);
  finish_tile<T, tile>(s.staging(), a, sums, warp_row(), at);
}

template <typename T, int tile>
__device__ void consume(Shared<tile, Kind::gated>& s, const Arguments& a) {
  int n = 0;
  for (int t = first_tile(a); t < a.tiles; t += clusters(), n += a.steps) {
    float sums[tile / 2];
    multiply<T, tile, Kind::gated>(s, sums, a.steps, n);
    wait_for_predecessor();
    finish_gated_tile<T, tile>(s.staging(), a, sums, warp_row(), find_tile<tile, Kind::gated>(a, t));
  }
}

template <typename T, int tile, Kind kind>
__global__ void __cluster_dims__(cluster, 1, 1) __launch_bounds__(threads, 1)
    product_kernel(const __grid_constant__ CUtensorMap x_map, const __grid_constant__ CUtensorMap w_map,
                   const Arguments a) {
  extern __shared__ __align__(1024) unsigned char shared_bytes[];
  auto& s = *reinterpret_cast<Shared<tile, kind>*>(shared_bytes);
  let_successor_start();
  if (threadIdx.x == 0) {
    prefetch_map(&w_map);
    prefetch_map(&x_map);
    for (int i = 0; i < s.stages; ++i) {
      init_barrier(shared_address(&s.full[i]), 1);
      init_barrier(shared_address(&s.empty[i]), cluster * consumers * 4);  // one arrival a warp of every block
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  meet_cluster();
  if (threadIdx.x < group_threads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0) Producer<tile, kind>{s, &x_map, &w_map, a}.run();
    __syncwarp();
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    consume<T, tile>(s, a);
  }
}

int pieces(int64_t size, int64_t of) {
  return static_cast<int>((size + of - 1) / of);
}

// What the clusters have to compute, and how it goes over the multiprocessors.
struct Cut {
  int row_tiles, tiles;  // of clusters
  int round, rounds;     // so many clusters at a time, so often
};

Cut cut(const HopperProduct& p, int tile) {
  const int row_tiles = pieces(p.rows, (p.accumulate ? 1 : cluster) * block_rows);
  const int tiles = row_tiles * pieces(p.columns, (p.accumulate ? cluster : 1) * tile);
  const int round = std::min(tiles, std::max(1, p.sms / cluster));
  return {row_tiles, tiles, round, pieces(tiles, round)};
}

template <typename T, int tile, Kind kind>
void launch_kernel(cudaStream_t stream, const HopperProduct& p) {
  constexpr int shared_bytes = sizeof(Shared<tile, kind>);
  const auto kernel = product_kernel<T, tile, kind>;
  COTENANT_CUDA("linear", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  constexpr bool gated = kind == Kind::gated, adding = kind == Kind::adding;
  const Cut all = cut(p, tile);
  const int first = std::min(all.tiles, all.rounds * p.part / p.parts * all.round);
  const int end = std::min(all.tiles, all.rounds * (p.part + 1) / p.parts * all.round);
  const int together = gated ? std::min(end - first, all.round) : end - first;
  const Arguments arguments{.y = p.y,
                            .bias = p.bias,
                            .rows = static_cast<int>(p.rows),
                            .columns = static_cast<int>(gated ? p.columns / 2 : p.columns),
                            .steps = pieces(p.in, step),
                            .row_tiles = all.row_tiles,
                            .first = first,
                            .tiles = end,
                            .activation = p.activation};
  launch("linear", stream, kernel, dim3(static_cast<unsigned>(together * cluster)), dim3(threads), size_t{shared_bytes},
         make_matrix_map(p.dtype, p.x, p.rows, p.in, adding ? block_rows / cluster : block_rows),
         make_matrix_map(p.dtype, p.w, p.columns, p.in, adding ? tile : tile / cluster, gated ? 256 : 128), arguments);
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

std::span<const HopperPlan> hopper_plans(bool gated, bool accumulate) {
  static constexpr std::array<HopperPlan, 3> plans{{{256}, {192}, {144}}};
  static constexpr std::array<HopperPlan, 1> narrow{{{64}}};
  if (accumulate) return narrow;
  return std::span(plans).first(gated ? 1 : plans.size());  // a narrow gated tile was never faster
}

int hopper_rounds(const HopperProduct& product, const HopperPlan& plan) {
  return cut(product, plan.tile_columns).rounds;
}

void launch_hopper_product(cudaStream_t stream, const HopperProduct& product, const HopperPlan& plan) {
  with_type(product.dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      const int tile = plan.tile_columns;
      if (product.accumulate && tile == 64) return launch_kernel<T, 64, Kind::adding>(stream, product);
      if (product.gated && tile == 256) return launch_kernel<T, 256, Kind::gated>(stream, product);
      if (tile == 256) return launch_kernel<T, 256, Kind::plain>(stream, product);
      if (tile == 192) return launch_kernel<T, 192, Kind::plain>(stream, product);
      if (tile == 144) return launch_kernel<T, 144, Kind::plain>(stream, product);
    }
    throw internal_error("linear", "no Hopper kernel for this dtype and plan");
  });
}

}  // namespace cotenant
