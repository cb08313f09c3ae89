#include "engine/native/cuda/attention_decode.h"
#include "engine/native/cuda/attention_decode_parts.cuh"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/tensor_core.cuh"
#include "engine/native/cuda/warp.cuh"

// One block takes one part of the positions of one KV head and one row, and up to 8 of the query heads that share the
// KV head, so that keys and values are read once for all of them. Every warp goes through positions of its own with a
// softmax of its own (running maximum, sum and weighted values, Milakov and Gimelshein 2018). All of these are merged
// at the end: within the block, and where the cache was cut, by the last block to arrive.
namespace cotenant {
namespace {

using namespace decode;

constexpr int plain_head_dims = 128;

// Eight elements of a row at a time by each lane of a quad; zeros where there are none. Not through L1: the newest key
// and value were written while this kernel may already have been resident.
template <typename T>
__device__ uint4 load_eight(const T* from, bool inside) {
  return inside ? __ldcg(reinterpret_cast<const uint4*>(from)) : uint4{};
}

// The keys and values of one step of a warp.
template <int chunks>
struct Tiles {
  uint4 k[2][chunks], v[2][chunks];  // [i]: position base + 8 i + g
};

// Those of positions least..end-1 among base..base+15; `tiles` keeps what it has of others.
template <int chunks, typename T>
__device__ void load_tiles(Tiles<chunks>& tiles, const Arguments<T>& a, const Task& task, int base, int least, int g,
                           int t) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int position = base + 8 * i + g;
    if (position < least || position >= task.end) continue;
    const int64_t offset = task.cache_start + static_cast<int64_t>(position) * a.head_dim + 8 * t;
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      const bool inside = c * 32 + 8 * t < a.head_dim;
      tiles.k[i][c] = load_eight(a.k + offset + c * 32, inside);
      tiles.v[i][c] = load_eight(a.v + offset + c * 32, inside);
    }
  }
}

// Asks for keys and values from `begin` on, so that they are in L2 when their turn comes.
template <typename T>
__device__ void prefetch(const Arguments<T>& a, const Task& task, int begin) {
#if __CUDA_ARCH__ >= 900
  const int bytes = (task.end - begin) * a.head_dim * static_cast<int>(sizeof(T));
  if (threadIdx.x >= 2 || bytes <= 0) return;
  const T* from = (threadIdx.x == 0 ? a.k : a.v) + task.cache_start + static_cast<int64_t>(begin) * a.head_dim;
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(from), "r"(bytes) : "memory");
#endif
}

// Whether q and k are transformed, not only k and v written.
template <int chunks, typename T>
__device__ bool transforms_heads(const Arguments<T>& a) {
  return chunks % 2 == 0 && (a.transform.rope || a.transform.q_scale);
}

// If the newest position is among base..base+15: its key and value from qkv into `tiles`, and for all query heads
// together once into the cache.
template <int chunks, typename T>
__device__ void place_newest(Tiles<chunks>& tiles, const Arguments<T>& a, const Task& task, const float* turn,
                             int newest, int base, int g, int t) {
  const int at = newest - base;
  if (newest >= task.end || at < 0 || at >= step_of_warp) return;
  const int kv_head = blockIdx.y / a.groups;
  const bool in_half[2] = {g == at, g + 8 == at};
  const bool writes = g == at % 8 && blockIdx.y % a.groups == 0;
  const T* key = a.qkv + static_cast<int64_t>(task.row) * a.qkv_width + (a.heads + kv_head) * a.head_dim;
  const T* value = key + a.kv_heads * a.head_dim;
  const int64_t cached = task.cache_start + static_cast<int64_t>(newest) * a.head_dim;
  const auto place = [&](const uint4(&head)[chunks], uint4(&tile)[2][chunks], T* cache) {
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      const int dim = c * 32 + 8 * t;
#pragma unroll
      for (int i = 0; i < 2; ++i)
        if (in_half[i]) tile[i][c] = head[c];
      if (writes && dim < a.head_dim) *reinterpret_cast<uint4*>(cache + cached + dim) = head[c];
    }
  };
  uint4 head[chunks];
#pragma unroll
  for (int c = 0; c < chunks; ++c) head[c] = load_eight(key + c * 32 + 8 * t, c * 32 + 8 * t < a.head_dim);
  if constexpr (chunks % 2 == 0)
    if (transforms_heads<chunks>(a)) transform_head(head, a.transform, a.head_dim, a.transform.k_scale, turn, t);
  place(head, tiles.k, a.k);
#pragma unroll
  for (int c = 0; c < chunks; ++c) head[c] = load_eight(value + c * 32 + 8 * t, c * 32 + 8 * t < a.head_dim);
  place(head, tiles.v, a.v);
}

// On the tensor cores, with lane = 4 g + t. Scores: A holds a query head in each of its rows, B a key in each of its
// columns; lanes take 8 consecutive dimensions (16 bytes) where the layout has two pairs apart from each other, A and B
// alike, which leaves the sum the same. Values: D = V^T P^T, so that heads are the 8 columns. P^T comes out of the
// scores as operand B as it is; V^T as operand A is a transposition of what lanes have read (movmatrix), which puts
// into row g of matrix j the dimension 8 (g / 2) + 2 j + g % 2 of its 32.
//
// All but the newest key and value were there before this pass, and so, in most programs, was the position: a warp
// fetches its first tiles while the kernels before are still running. If the position turns out to be another, it
// fetches them again.
// `transforms`: the newest key and value are not in the cache yet, and q and k as their product left them.
template <typename T, int chunks, bool transforms>  // chunks of 32 dimensions
__global__ void __launch_bounds__(threads) attention_decode_kernel(const Arguments<T> a) {
  extern __shared__ __align__(16) float shared[];
  let_successor_start();
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  Task task = make_task(a);
  const int early_position = min(max(load_position(a, task), 0), a.capacity - 1);
  set_positions(task, a, early_position);
  Tiles<chunks> tiles{};
  load_tiles(tiles, a, task, task.begin + warp * step_of_warp, 0, g, t);
  prefetch(a, task, task.begin + step_of_block);
  __shared__ __align__(16) float turn[2 * most_pairs];
  if (transforms) fetch_turn(turn, a.transform, a.head_dim, early_position);
  wait_for_predecessor();

  uint4 q[chunks];
#pragma unroll
  for (int c = 0; c < chunks; ++c)
    q[c] = load_eight(
        a.qkv + static_cast<int64_t>(task.row) * a.qkv_width + (task.first_head + g) * a.head_dim + c * 32 + 8 * t,
        g < task.heads && c * 32 + 8 * t < a.head_dim);
  // The newest key and value again, which have just been written.
  if (!transforms) load_tiles(tiles, a, task, task.begin + warp * step_of_warp, early_position, g, t);
  const int position = load_position(a, task);
  if (position != early_position) {
    set_positions(task, a, position);
    tiles = {};
    load_tiles(tiles, a, task, task.begin + warp * step_of_warp, 0, g, t);
    if (transforms) fetch_turn(turn, a.transform, a.head_dim, position);
  }
  if (task.empty()) return;
  if constexpr (transforms) {
    __syncthreads();
    if constexpr (chunks % 2 == 0)
      if (transforms_heads<chunks>(a)) transform_head(q, a.transform, a.head_dim, a.transform.q_scale, turn, t);
    place_newest(tiles, a, task, turn, position, task.begin + warp * step_of_warp, g, t);
  }

  float maximum = -INFINITY, sum = 0;  // of head g; the sum is this lane's share
  float output[chunks][2][4] = {};     // [..][jj][2 r + e]: matrix 2 jj + r, head 2 t + e
  for (int base = task.begin + warp * step_of_warp; base < task.end; base += step_of_block) {
    const auto& k = tiles.k;
    const auto& v = tiles.v;
    float scores[2][4] = {};  // [i][e]: head g, position base + 8 i + 2 t + e
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int c = 0; c < chunks; ++c) {
        multiply_add<T>(scores[i], q[c].x, 0, q[c].y, 0, k[i][c].x, k[i][c].y);
        multiply_add<T>(scores[i], q[c].z, 0, q[c].w, 0, k[i][c].z, k[i][c].w);
      }
    }
    float highest = maximum;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        scores[i][e] = base + 8 * i + 2 * t + e < task.end ? scores[i][e] * a.scale : -INFINITY;
        highest = fmaxf(highest, scores[i][e]);
      }
    }
    highest = max_over<4>(highest);
    const float keep = weight_below(maximum, highest);
    const float keep_of_column[2] = {__shfl_sync(~0u, keep, 8 * t), __shfl_sync(~0u, keep, 8 * t + 4)};
    maximum = highest;
    uint32_t p[2];
    sum *= keep;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float low = weight_below(scores[i][0], highest), high = weight_below(scores[i][1], highest);
      sum += low + high;
      p[i] = pack_pair<T>(low, high);
    }
#pragma unroll
    for (int c = 0; c < chunks; ++c) {
      const uint32_t first[4] = {v[0][c].x, v[0][c].y, v[0][c].z, v[0][c].w};
      const uint32_t second[4] = {v[1][c].x, v[1][c].y, v[1][c].z, v[1][c].w};
#pragma unroll
      for (int jj = 0; jj < 2; ++jj) {
#pragma unroll
        for (int e = 0; e < 4; ++e) output[c][jj][e] *= keep_of_column[e % 2];
        multiply_add<T>(output[c][jj], transpose(first[2 * jj]), transpose(first[2 * jj + 1]),
                        transpose(second[2 * jj]), transpose(second[2 * jj + 1]), p[0], p[1]);
      }
    }
    tiles = {};
    load_tiles(tiles, a, task, base + step_of_block, 0, g, t);
    if (transforms) place_newest(tiles, a, task, turn, position, base + step_of_block, g, t);
  }

  sum = sum_over<4>(sum);
  auto* const softmax = reinterpret_cast<float2*>(shared);
  float* const values = shared + 2 * warps * task.heads;
  if (t == 0 && g < task.heads) softmax[warp * task.heads + g] = {maximum, sum};
#pragma unroll
  for (int c = 0; c < chunks; ++c) {
#pragma unroll
    for (int jj = 0; jj < 2; ++jj) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int head = 2 * t + e % 2, dim = c * 32 + 8 * (g / 2) + 2 * (2 * jj + e / 2) + g % 2;
        if (head < task.heads && dim < a.head_dim)
          values[(warp * task.heads + head) * a.head_dim + dim] = output[c][jj][e];
      }
    }
  }
  __syncthreads();
  finish(a, task, softmax, values);
}

// One value at a time and one query head a block, for float32 and head dimensions that no model of note has.
template <typename T>
__global__ void __launch_bounds__(threads) attention_decode_plain_kernel(const Arguments<T> a) {
  constexpr int dims = plain_head_dims / 32;  // of a lane: lane, lane + 32, ...
  extern __shared__ __align__(16) float shared[];
  let_successor_start();
  wait_for_predecessor();
  Task task = make_task(a);
  set_positions(task, a, load_position(a, task));
  if (task.empty()) return;

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const T* head = a.qkv + static_cast<int64_t>(task.row) * a.qkv_width + task.first_head * a.head_dim;
  float q[dims], output[dims] = {}, maximum = -INFINITY, sum = 0;
#pragma unroll
  for (int i = 0; i < dims; ++i) q[i] = lane + 32 * i < a.head_dim ? to_float(head[lane + 32 * i]) * a.scale : 0;
  for (int position = task.begin + warp; position < task.end; position += warps) {
    const int64_t offset = task.cache_start + static_cast<int64_t>(position) * a.head_dim + lane;
    float score = 0;
#pragma unroll
    for (int i = 0; i < dims; ++i)
      if (lane + 32 * i < a.head_dim) score += q[i] * to_float(a.k[offset + 32 * i]);
    score = sum_over(score);
    const float highest = fmaxf(maximum, score);
    const float keep = weight_below(maximum, highest), weight = exp2f(score - highest);
    maximum = highest;
    sum = sum * keep + weight;
#pragma unroll
    for (int i = 0; i < dims; ++i)
      if (lane + 32 * i < a.head_dim) output[i] = output[i] * keep + weight * to_float(a.v[offset + 32 * i]);
  }
  auto* const softmax = reinterpret_cast<float2*>(shared);
  float* const values = shared + 2 * warps;
  if (lane == 0) softmax[warp] = {maximum, sum};
#pragma unroll
  for (int i = 0; i < dims; ++i)
    if (lane + 32 * i < a.head_dim) values[warp * a.head_dim + lane + 32 * i] = output[i];
  __syncthreads();
  finish(a, task, softmax, values);
}

template <typename T, bool transforms>
auto choose_fast_kernel(int64_t head_dim) {
  if (head_dim <= 32) return attention_decode_kernel<T, 1, transforms>;
  if (head_dim <= 64) return attention_decode_kernel<T, 2, transforms>;
  if (head_dim <= 96) return attention_decode_kernel<T, 3, transforms>;
  return attention_decode_kernel<T, 4, transforms>;
}

template <typename T>
auto choose_kernel(bool fast, int64_t head_dim, bool transforms) {
  if constexpr (sizeof(T) == 2)
    if (fast) return transforms ? choose_fast_kernel<T, true>(head_dim) : choose_fast_kernel<T, false>(head_dim);
  return attention_decode_plain_kernel<T>;
}

template <typename T>
HeadTransform<T> make_transform(const QkTransform* transform) {
  if (!transform) return {};
  return {.rope = static_cast<const float*>(transform->rope.data),
          .q_scale = static_cast<const T*>(transform->q_norm.scale.data),
          .k_scale = static_cast<const T*>(transform->k_norm.scale.data),
          .eps = transform->q_norm.eps};
}

}  // namespace

size_t attention_decode_workspace_bytes(int64_t rows, const Attention& a, int64_t capacity) {
  return std::max(make_layout(rows, a, make_plan(rows, a, capacity, true)).bytes,
                  make_layout(rows, a, make_plan(rows, a, capacity, false)).bytes);
}

bool attention_decode_transforms(Dtype dtype, const Attention& attention, const QkTransform& transform) {
  if (!is_fast(dtype, attention.head_dim)) return false;
  return (!transform.rope && !transform.q_norm.scale) || attention.head_dim == 64 || attention.head_dim == 128;
}

void launch_attention_decode(cudaStream_t stream, Dtype dtype, void* y, const void* qkv, const KvCache& cache,
                             const int32_t* positions, const Attention& attention, void* workspace,
                             const QkTransform* transform) {
  if (attention.head_dim > 128) throw internal_error("decode attention", "head_dim over 128");
  if (transform && !attention_decode_transforms(dtype, attention, *transform))
    throw internal_error("decode attention", "cannot transform heads of this dimension");
  const int64_t rows = cache.k.shape[0], capacity = cache.capacity();
  const bool fast = is_fast(dtype, attention.head_dim);
  const Plan plan = make_plan(rows, attention, capacity, fast);
  const Layout layout = make_layout(rows, attention, plan);
  auto* bytes = static_cast<unsigned char*>(workspace);
  const dim3 grid(static_cast<unsigned>(plan.parts), static_cast<unsigned>(attention.kv_heads * plan.groups),
                  static_cast<unsigned>(rows));
  const size_t shared_bytes = static_cast<size_t>(warps * plan.heads) * static_cast<size_t>(2 + attention.head_dim) *
                              sizeof(float);  // at most 65 KiB
  with_type(dtype, [&]<typename T>(T) {
    const Arguments<T> arguments{.y = static_cast<T*>(y),
                                 .qkv = static_cast<const T*>(qkv),
                                 .k = static_cast<T*>(cache.k.data),
                                 .v = static_cast<T*>(cache.v.data),
                                 .positions = positions,
                                 .transform = make_transform<T>(transform),
                                 .workspace = {.arrived = reinterpret_cast<int32_t*>(bytes),
                                               .softmax = reinterpret_cast<float2*>(bytes + layout.softmax),
                                               .values = reinterpret_cast<float*>(bytes + layout.values)},
                                 .heads = static_cast<int>(attention.heads),
                                 .kv_heads = static_cast<int>(attention.kv_heads),
                                 .head_dim = static_cast<int>(attention.head_dim),
                                 .qkv_width = static_cast<int>(attention.qkv_width()),
                                 .capacity = static_cast<int>(capacity),
                                 .window = static_cast<int>(attention.window),
                                 .part = static_cast<int>(plan.part),
                                 .parts = static_cast<int>(plan.parts),
                                 .heads_of_block = plan.heads,
                                 .groups = plan.groups,
                                 .scale = attention.scale * 1.442695041f};
    const auto kernel = choose_kernel<T>(fast, attention.head_dim, transform != nullptr);
    COTENANT_CUDA("decode attention", cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                           static_cast<int>(shared_bytes)));
    launch("decode attention", stream, kernel, grid, dim3(threads), shared_bytes, arguments);
  });
}

}  // namespace cotenant
