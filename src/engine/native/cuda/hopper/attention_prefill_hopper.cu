#include "base/error.h"
#include "engine/native/cuda/attention_prefill_paths.h"
#include "engine/native/cuda/hopper/tensor_map.h"
#include "engine/native/cuda/hopper/wgmma.cuh"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/tensor_core.cuh"
#include "engine/native/cuda/warp.cuh"

// Attention on Hopper's tensor cores, after FlashAttention-3 (Shah et al. 2024). A block takes 128 queries of a head.
// One thread has the tensor memory accelerator fetch keys and values, 128 at a time and two tiles ahead; two warpgroups
// take 64 queries each. While a warpgroup computes the softmax of one tile, its product of the weights of the tile
// before with the values runs, and so do the products of the other warpgroup.
namespace cotenant {
namespace {

constexpr int tile = 128;  // queries of a block, keys of a step
constexpr int stages = 2;
constexpr int group_threads = 128;  // of a warpgroup
constexpr int consumers = 2;
constexpr int threads = (1 + consumers) * group_threads;
constexpr int row_bytes = 128;  // of 64 columns, the most that the swizzle allows
constexpr int unit_bytes = 8 * row_bytes;
constexpr int half_bytes = tile * row_bytes;  // 64 columns of a tile

template <int head_dim>
struct Shared {
  static constexpr int halves = head_dim / 64;
  static constexpr int tile_bytes = halves * half_bytes;
  alignas(1024) unsigned char q[tile_bytes];
  alignas(1024) unsigned char k[stages][tile_bytes];
  alignas(1024) unsigned char v[stages][tile_bytes];
  uint64_t q_full, k_full[stages], k_empty[stages], v_full[stages], v_empty[stages];
};

// Which tiles of keys a block goes through.
struct Steps {
  int first, end;
  __device__ int count() const { return end - first; }
};

template <int head_dim>
__device__ void copy_tile(unsigned char* to, const CUtensorMap* map, int column, int row, int matrix,
                          uint64_t* barrier) {
  arrive_expecting(shared_address(barrier), Shared<head_dim>::tile_bytes);
#pragma unroll
  for (int h = 0; h < Shared<head_dim>::halves; ++h)
    copy_box(shared_address(to + h * half_bytes), map, column + 64 * h, row, matrix, shared_address(barrier));
}

template <int head_dim>
__device__ void produce(Shared<head_dim>& s, const CUtensorMap* map, const PrefillArguments& a, Steps steps,
                        int first_query) {
  const int head = blockIdx.x % a.heads, row = blockIdx.x / a.heads, kv_head = head / (a.heads / a.kv_heads);
  const int k_column = (a.heads + kv_head) * head_dim, v_column = k_column + a.kv_heads * head_dim;
  copy_tile<head_dim>(s.q, map, head * head_dim, first_query, row, &s.q_full);
  for (int i = 0; i < steps.count(); ++i) {
    const int stage = i % stages, parity = i / stages % 2, key = (steps.first + i) * tile;
    wait_barrier(shared_address(&s.k_empty[stage]), parity ^ 1);
    copy_tile<head_dim>(s.k[stage], map, k_column, key, row, &s.k_full[stage]);
    wait_barrier(shared_address(&s.v_empty[stage]), parity ^ 1);
    copy_tile<head_dim>(s.v[stage], map, v_column, key, row, &s.v_full[stage]);
  }
}

// scores = Q K^T, asynchronously.
template <typename T, int head_dim>
__device__ void start_scores(float (&scores)[64], const unsigned char* q, const unsigned char* k) {
  const uint64_t q_rows = describe(shared_address(q), unit_bytes), k_rows = describe(shared_address(k), unit_bytes);
#pragma unroll
  for (int i = 0; i < head_dim / 16; ++i) {
    const uint64_t offset = (i / 4 * half_bytes + i % 4 * 32) >> 4;
    multiply_rows<T>(scores, q_rows + offset, k_rows + offset, i > 0);
  }
  commit_products();
}

// output += P V, asynchronously.
template <typename T, int head_dim>
__device__ void start_values(float (&output)[head_dim / 2], const uint32_t (&p)[32], const unsigned char* v) {
  const uint64_t v_columns = describe(shared_address(v), unit_bytes, half_bytes);
#pragma unroll
  for (int i = 0; i < tile / 16; ++i)
    multiply_columns<T>(output, p[4 * i], p[4 * i + 1], p[4 * i + 2], p[4 * i + 3],
                        v_columns + ((i * 16 * row_bytes) >> 4));
  commit_products();
}

// The softmax of the two rows g and g + 8 of a warp that this lane has parts of.
struct Softmax {
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {};   // this lane's share
  float keep[2] = {};  // what the last tile's maximum leaves of everything before
};

// Hides what queries do not see, if anything. scores[4 i + 2 r + e]: row g + 8 r, key 8 i + 2 t + e.
__device__ void mask(float (&scores)[64], const PrefillArguments& a, int first_query, int query, int first_key, int t) {
  const bool whole = first_key + tile <= a.length && (!a.causal || first_key + tile - 1 <= first_query) &&
                     (a.window <= 0 || first_key > first_query + 63 - a.window);
  if (whole) return;
#pragma unroll
  for (int i = 0; i < 16; ++i) {
#pragma unroll
    for (int e = 0; e < 4; ++e)
      if (!a.sees(query + 8 * (e / 2), first_key + 8 * i + 2 * t + e % 2, a.length)) scores[4 * i + e] = -INFINITY;
  }
}

// Turns scores into weights.
__device__ void weigh(float (&scores)[64], Softmax& s, float scale_log2) {
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float highest = s.maximum[r];
#pragma unroll
    for (int i = 0; i < 16; ++i) highest = fmaxf(highest, fmaxf(scores[4 * i + 2 * r], scores[4 * i + 2 * r + 1]));
    highest = max_over<4>(highest);
    const float shift = highest == -INFINITY ? 0.f : highest * scale_log2;  // a row that has seen nothing keeps zeros
    s.keep[r] = exp2_fast(s.maximum[r] * scale_log2 - shift);
    s.maximum[r] = highest;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 16; ++i) {
#pragma unroll
      for (int e = 2 * r; e < 2 * r + 2; ++e) {
        scores[4 * i + e] = exp2_fast(scores[4 * i + e] * scale_log2 - shift);
        sum += scores[4 * i + e];
      }
    }
    s.sum[r] = s.sum[r] * s.keep[r] + sum;
  }
}

// Weights as operand A of P V: the layout of the accumulators is that of the operand, pair by pair.
template <typename T>
__device__ void pack(uint32_t (&p)[32], const float (&weights)[64]) {
#pragma unroll
  for (int i = 0; i < 32; ++i) p[i] = pack_pair<T>(weights[2 * i], weights[2 * i + 1]);
}

template <typename T, int head_dim>
__device__ void write_output(float (&output)[head_dim / 2], Softmax& s, unsigned char* staging, T* y, int64_t y_stride,
                             int rows, int warp, int lane) {
  const int g = lane / 4, t = lane % 4;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    s.sum[r] = sum_over<4>(s.sum[r]);
    const float factor = 1 / s.sum[r];
    const int row = warp * 16 + g + 8 * r;
#pragma unroll
    for (int i = 0; i < head_dim / 8; ++i)
      *reinterpret_cast<uint32_t*>(staging + i / 8 * half_bytes + row * row_bytes + ((i % 8) ^ g) * 16 + 4 * t) =
          pack_pair<T>(output[4 * i + 2 * r] * factor, output[4 * i + 2 * r + 1] * factor);
  }
  __syncwarp();
  constexpr int pieces = head_dim / 8;
#pragma unroll
  for (int i = lane; i < 16 * pieces; i += 32) {
    const int row = warp * 16 + i / pieces, piece = i % pieces;
    if (row < rows)
      *reinterpret_cast<uint4*>(y + row * y_stride + piece * 8) = *reinterpret_cast<const uint4*>(
          staging + piece / 8 * half_bytes + row * row_bytes + ((piece % 8) ^ (row % 8)) * 16);
  }
}

template <typename T, int head_dim>
__device__ void consume(Shared<head_dim>& s, const PrefillArguments& a, Steps steps, int block_query) {
  const int group = threadIdx.x / group_threads - 1, warp = threadIdx.x / 32 % 4, lane = threadIdx.x % 32;
  const int first_query = block_query + group * 64, query = first_query + warp * 16 + lane / 4;
  unsigned char* const q = s.q + group * 64 * row_bytes;
  const auto release = [&](uint64_t* barrier) {
    if (lane == 0) arrive(shared_address(barrier));
  };
  const auto await = [](uint64_t* barriers, int step) {
    wait_barrier(shared_address(&barriers[step % stages]), step / stages % 2);
  };

  float output[head_dim / 2] = {};
  float scores[64];
  uint32_t p[32];
  Softmax softmax;
  wait_barrier(shared_address(&s.q_full), 0);
  await(s.k_full, 0);
  fence_products();
  start_scores<T, head_dim>(scores, q, s.k[0]);
  wait_products<0>();
  settle(scores);
  release(&s.k_empty[0]);
  mask(scores, a, first_query, query, steps.first * tile, lane % 4);
  weigh(scores, softmax, a.scale_log2);
  pack<T>(p, scores);

  for (int i = 1; i < steps.count(); ++i) {
    const int stage = i % stages, before = (i - 1) % stages;
    await(s.k_full, i);
    fence_products();
    start_scores<T, head_dim>(scores, q, s.k[stage]);
    await(s.v_full, i - 1);
    start_values<T, head_dim>(output, p, s.v[before]);
    wait_products<1>();
    settle(scores);
    release(&s.k_empty[stage]);
    mask(scores, a, first_query, query, (steps.first + i) * tile, lane % 4);
    weigh(scores, softmax, a.scale_log2);
    wait_products<0>();
    settle(output);
    release(&s.v_empty[before]);
#pragma unroll
    for (int j = 0; j < head_dim / 2; ++j) output[j] *= softmax.keep[j / 2 % 2];
    pack<T>(p, scores);
  }

  const int last = steps.count() - 1;
  await(s.v_full, last);
  fence_products();
  start_values<T, head_dim>(output, p, s.v[last % stages]);
  wait_products<0>();
  settle(output);

  // The queries of this warpgroup are no longer needed: their place serves to put whole rows together.
  const int head = blockIdx.x % a.heads, row = blockIdx.x / a.heads;
  const int64_t y_stride = static_cast<int64_t>(a.heads) * head_dim;
  T* const y = static_cast<T*>(a.y) + (static_cast<int64_t>(row) * a.length + first_query) * y_stride + head * head_dim;
  write_output<T, head_dim>(output, softmax, q, y, y_stride, a.length - first_query, warp, lane);
}

template <typename T, int head_dim>
__global__ void __launch_bounds__(threads, 1)
    attention_hopper_kernel(const __grid_constant__ CUtensorMap map, const PrefillArguments a) {
  extern __shared__ __align__(1024) unsigned char shared_bytes[];
  auto& s = *reinterpret_cast<Shared<head_dim>*>(shared_bytes);
  let_successor_start();
  if (threadIdx.x == 0) {
    init_barrier(shared_address(&s.q_full), 1);
    for (int i = 0; i < stages; ++i) {
      init_barrier(shared_address(&s.k_full[i]), 1);
      init_barrier(shared_address(&s.v_full[i]), 1);
      init_barrier(shared_address(&s.k_empty[i]), consumers * 4);  // one arrival a warp
      init_barrier(shared_address(&s.v_empty[i]), consumers * 4);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  wait_for_predecessor();

  const int first_query = (gridDim.y - 1 - blockIdx.y) * tile;  // the longest first: causal blocks differ in work
  const Steps steps{a.first_key(first_query) / tile,
                    (a.end_key(min(first_query + tile, a.length), a.length) + tile - 1) / tile};
  if (threadIdx.x < group_threads) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (threadIdx.x == 0) produce<head_dim>(s, &map, a, steps, first_query);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    consume<T, head_dim>(s, a, steps, first_query);
  }
}

template <typename T, int head_dim>
void launch_kernel(cudaStream_t stream, Dtype dtype, const PrefillArguments& a) {
  const auto kernel = attention_hopper_kernel<T, head_dim>;
  constexpr int shared_bytes = sizeof(Shared<head_dim>);
  COTENANT_CUDA("attention", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const dim3 grid(static_cast<unsigned>(a.rows * a.heads), static_cast<unsigned>((a.length + tile - 1) / tile));
  launch("attention", stream, kernel, grid, dim3(threads), size_t{shared_bytes},
         make_matrices_map(dtype, a.qkv, a.rows, a.length, (a.heads + 2 * a.kv_heads) * head_dim, tile), a);
}

}  // namespace

bool attention_prefill_hopper_supported(Dtype dtype, const PrefillArguments& a) {
  if (dtype != Dtype::f16 && dtype != Dtype::bf16) return false;
  if (a.head_dim != 64 && a.head_dim != 128) return false;
  int device = 0, major = 0;
  COTENANT_CUDA("attention", cudaGetDevice(&device));
  COTENANT_CUDA("attention", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major == 9;
}

void launch_attention_prefill_hopper(cudaStream_t stream, Dtype dtype, const PrefillArguments& a) {
  with_type(dtype, [&]<typename T>(T) {
    if constexpr (sizeof(T) == 2) {
      if (a.head_dim == 64) return launch_kernel<T, 64>(stream, dtype, a);
      if (a.head_dim == 128) return launch_kernel<T, 128>(stream, dtype, a);
    }
    throw internal_error("attention", "no Hopper kernel for this dtype and head_dim");
  });
}

}  // namespace cotenant
