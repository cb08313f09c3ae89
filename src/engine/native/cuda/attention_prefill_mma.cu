#include "base/error.h"
#include "engine/native/cuda/attention_prefill_paths.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/tensor_core.cuh"
#include "engine/native/cuda/warp.cuh"

// A block takes 64 queries of a head, 16 a warp, and goes through keys and values 64 at a time. The next tile is on its
// way into shared memory while this one is worked on. Scores stay in registers: the accumulators of Q K^T have, pair by
// pair, the layout of operand A of P V.
//
// Rows in shared memory are 8 elements longer than head_dim. Their length is then an odd multiple of 16 bytes, so the 8
// rows that one ldmatrix phase reads lie in different banks.
namespace cotenant {
namespace {

constexpr int warps = 4;
constexpr int threads = warps * 32;
constexpr int tile = 64;  // queries of a block, keys of a step

template <int head_dim>
struct Shape {
  static constexpr int stride = head_dim + 8;
  static constexpr int tile_elements = tile * stride;
  static constexpr size_t shared_bytes = size_t{5} * tile_elements * 2;  // Q, two K, two V
  static constexpr int steps = head_dim / 16;                            // of Q K^T along head_dim
  static constexpr int columns = head_dim / 8;                           // tiles of 8 of the output
};

// Copies rows first..first+63 of `source` (whose rows are `width` apart) into a tile; rows from `end` on become zeros.
template <typename T, int head_dim>
__device__ void copy_tile(T* shared, const T* source, int64_t width, int first, int end) {
  constexpr int chunks = head_dim / 8;
#pragma unroll
  for (int i = threadIdx.x; i < tile * chunks; i += threads) {
    const int row = i / chunks, chunk = i % chunks;
    const bool inside = first + row < end;
    copy_async(shared_address(shared + row * Shape<head_dim>::stride + chunk * 8),
               source + (inside ? first + row : 0) * width + chunk * 8, inside);
  }
}

// `cached`: pieces of sequences, whose keys and values are in the cache.
template <typename T, int head_dim, bool cached>
__global__ void __launch_bounds__(threads) attention_mma_kernel(const PrefillArguments a) {
  using S = Shape<head_dim>;
  extern __shared__ __align__(128) unsigned char shared_bytes[];
  T* const q_tile = reinterpret_cast<T*>(shared_bytes);
  T* const k_tiles = q_tile + S::tile_elements;
  T* const v_tiles = k_tiles + 2 * S::tile_elements;
  let_successor_start();

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int head = blockIdx.x % a.heads, row = blockIdx.x / a.heads, kv_head = head / (a.heads / a.kv_heads);
  const int first_query = (gridDim.y - 1 - blockIdx.y) * tile;  // the longest first: causal blocks differ in work
  const int64_t width = static_cast<int64_t>(a.heads + 2 * a.kv_heads) * head_dim;
  const T* tokens = static_cast<const T*>(a.qkv) + static_cast<int64_t>(row) * a.length * width;
  const T* keys = tokens + (a.heads + kv_head) * head_dim;
  const T* values = keys + a.kv_heads * head_dim;
  int64_t key_width = width;
  int shift = 0, all_keys = a.length;  // the position of the row's first query; keys of the row
  if constexpr (cached) {
    const int64_t in_cache = (static_cast<int64_t>(a.cache_row(row)) * a.kv_heads + kv_head) * a.capacity * head_dim;
    keys = static_cast<const T*>(a.k) + in_cache;
    values = static_cast<const T*>(a.v) + in_cache;
    key_width = head_dim;
    shift = a.first_position(row);
    all_keys = a.end_position(shift);
  }
  const int first_seeing = shift + first_query, end_seeing = shift + min(first_query + tile, a.length);  // positions
  const int first_step = a.first_key(first_seeing) / tile;
  const int end_step = (a.end_key(end_seeing, all_keys) + tile - 1) / tile;

  wait_for_predecessor();
  copy_tile<T, head_dim>(q_tile, tokens + head * head_dim, width, first_query, a.length);
  copy_tile<T, head_dim>(k_tiles, keys, key_width, first_step * tile, all_keys);
  commit_copies();
  copy_tile<T, head_dim>(v_tiles, values, key_width, first_step * tile, all_keys);
  commit_copies();

  // What a lane addresses in a 16 x 16 block for ldmatrix: row and column for Q and V, and for K, whose rows are
  // columns.
  const int row_a = lane % 16, column_a = lane / 16 * 8;
  const int row_b = lane % 8 + lane / 16 * 8, column_b = lane / 8 % 2 * 8;

  uint32_t q[S::steps][4];
  float output[S::columns][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY}, sum[2] = {};  // of rows g and g + 8; the sum is this lane's share
  const int query[2] = {first_seeing + warp * 16 + g, first_seeing + warp * 16 + g + 8};  // positions

  for (int step = first_step; step < end_step; ++step) {
    const int stage = (step - first_step) % 2;
    T* const k_tile = k_tiles + stage * S::tile_elements;
    T* const v_tile = v_tiles + stage * S::tile_elements;
    wait_copies<1>();  // K of this step; V may be under way
    __syncthreads();   // and all warps are done with the other stage
    if (step + 1 < end_step)
      copy_tile<T, head_dim>(k_tiles + (1 - stage) * S::tile_elements, keys, key_width, (step + 1) * tile, all_keys);
    commit_copies();
    if (step + 1 < end_step)
      copy_tile<T, head_dim>(v_tiles + (1 - stage) * S::tile_elements, values, key_width, (step + 1) * tile, all_keys);
    commit_copies();
    if (step == first_step) {
#pragma unroll
      for (int i = 0; i < S::steps; ++i)
        load_matrices(q[i], shared_address(q_tile + (warp * 16 + row_a) * S::stride + i * 16 + column_a));
    }

    float scores[tile / 8][4] = {};
#pragma unroll
    for (int i = 0; i < S::steps; ++i) {
#pragma unroll
      for (int j = 0; j < tile / 16; ++j) {
        uint32_t k[4];
        load_matrices(k, shared_address(k_tile + (j * 16 + row_b) * S::stride + i * 16 + column_b));
        multiply_add<T>(scores[2 * j], q[i][0], q[i][1], q[i][2], q[i][3], k[0], k[1]);
        multiply_add<T>(scores[2 * j + 1], q[i][0], q[i][1], q[i][2], q[i][3], k[2], k[3]);
      }
    }

    // Only tiles at an edge have anything to hide.
    const int first_key = step * tile;
    const bool whole = first_key + tile <= all_keys && (!a.causal || first_key + tile - 1 <= first_seeing) &&
                       (a.window <= 0 || first_key > end_seeing - 1 - a.window);
    if (!whole) {
#pragma unroll
      for (int j = 0; j < tile / 8; ++j) {
#pragma unroll
        for (int e = 0; e < 4; ++e)
          if (!a.sees(query[e / 2], first_key + j * 8 + 2 * t + e % 2, all_keys)) scores[j][e] = -INFINITY;
      }
    }

#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float highest = maximum[r];
#pragma unroll
      for (int j = 0; j < tile / 8; ++j) highest = fmaxf(highest, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
      highest = max_over<4>(highest);
      // A row that has seen nothing yet keeps zeros.
      const float shift = highest == -INFINITY ? 0.f : highest * a.scale_log2;
      const float keep = exp2_fast(maximum[r] * a.scale_log2 - shift);
      maximum[r] = highest;
      sum[r] *= keep;
#pragma unroll
      for (int j = 0; j < S::columns; ++j) {
        output[j][2 * r] *= keep;
        output[j][2 * r + 1] *= keep;
      }
#pragma unroll
      for (int j = 0; j < tile / 8; ++j) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores[j][e] = exp2_fast(scores[j][e] * a.scale_log2 - shift);
          sum[r] += scores[j][e];
        }
      }
    }

    wait_copies<2>();  // V of this step
    __syncthreads();
#pragma unroll
    for (int i = 0; i < tile / 16; ++i) {
      const float(&low)[4] = scores[2 * i];
      const float(&high)[4] = scores[2 * i + 1];
      const uint32_t p[4] = {pack_pair<T>(low[0], low[1]), pack_pair<T>(low[2], low[3]), pack_pair<T>(high[0], high[1]),
                             pack_pair<T>(high[2], high[3])};
#pragma unroll
      for (int j = 0; j < head_dim / 16; ++j) {
        uint32_t v[4];
        load_matrices_transposed(v, shared_address(v_tile + (i * 16 + row_a) * S::stride + j * 16 + column_a));
        multiply_add<T>(output[2 * j], p[0], p[1], p[2], p[3], v[0], v[1]);
        multiply_add<T>(output[2 * j + 1], p[0], p[1], p[2], p[3], v[2], v[3]);
      }
    }
  }

  // Out through shared memory, so that global memory sees whole rows. A warp's queries are its own, and long read.
  T* const out_tile = q_tile + warp * 16 * S::stride;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float factor = 1 / sum_over<4>(sum[r]);
#pragma unroll
    for (int j = 0; j < S::columns; ++j)
      *reinterpret_cast<uint32_t*>(out_tile + (g + 8 * r) * S::stride + j * 8 + 2 * t) =
          pack_pair<T>(output[j][2 * r] * factor, output[j][2 * r + 1] * factor);
  }
  __syncwarp();
  T* const y = static_cast<T*>(a.y) + (static_cast<int64_t>(row) * a.length * a.heads + head) * head_dim;
#pragma unroll
  for (int i = lane; i < 16 * S::columns; i += 32) {
    const int r = i / S::columns, chunk = i % S::columns;
    const int64_t token = first_query + warp * 16 + r;
    if (token < a.length)
      *reinterpret_cast<uint4*>(y + token * a.heads * head_dim + chunk * 8) =
          *reinterpret_cast<const uint4*>(out_tile + r * S::stride + chunk * 8);
  }
}

template <typename T, int head_dim>
void launch_kernel(cudaStream_t stream, const PrefillArguments& a) {
  const auto kernel = a.k ? attention_mma_kernel<T, head_dim, true> : attention_mma_kernel<T, head_dim, false>;
  constexpr size_t shared_bytes = Shape<head_dim>::shared_bytes;
  COTENANT_CUDA("attention",
                cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int{shared_bytes}));
  const dim3 grid(static_cast<unsigned>(a.rows * a.heads), static_cast<unsigned>((a.length + tile - 1) / tile));
  launch("attention", stream, kernel, grid, dim3(threads), shared_bytes, a);
}

}  // namespace

bool attention_prefill_mma_supported(Dtype dtype, int64_t head_dim) {
  return (dtype == Dtype::f16 || dtype == Dtype::bf16) &&
         (head_dim == 32 || head_dim == 64 || head_dim == 80 || head_dim == 96 || head_dim == 128);
}

void launch_attention_prefill_mma(cudaStream_t stream, Dtype dtype, const PrefillArguments& arguments) {
  with_type(dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      switch (arguments.head_dim) {
        case 32:
          return launch_kernel<T, 32>(stream, arguments);
        case 64:
          return launch_kernel<T, 64>(stream, arguments);
        case 80:
          return launch_kernel<T, 80>(stream, arguments);
        case 96:
          return launch_kernel<T, 96>(stream, arguments);
        case 128:
          return launch_kernel<T, 128>(stream, arguments);
        default:
          break;
      }
    }
    throw internal_error("attention", "no tensor-core kernel for this dtype and head_dim");
  });
}

}  // namespace cotenant
