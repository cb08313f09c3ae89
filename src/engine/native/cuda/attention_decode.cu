#include <algorithm>
#include <cmath>

#include "engine/native/cuda/attention_decode.h"
#include "engine/native/cuda/launch.h"
#include "engine/native/cuda/tensor_core.cuh"

// One block takes one part of the positions of one KV head and one row, and up to `group` of the query heads that share
// the KV head, so that keys and values are read once for all of them. A key or value is read by `lanes` neighbouring
// lanes, 16 bytes each; every such team of lanes goes through positions of its own with a softmax of its own (running
// maximum, sum and weighted values, Milakov and Gimelshein 2018), and all of these are merged at the end: first within
// a warp, then within the block, then, where the cache was cut, by the last block to arrive.
namespace cotenant {
namespace {

constexpr int threads = 256;
constexpr int warps = threads / 32;
constexpr int unroll = 4;  // positions of a team whose keys and values are on their way at once
constexpr int64_t least_positions_of_part = 256;
constexpr int64_t blocks_wanted = 264;  // two on each multiprocessor of an H100; more gain nothing

// How a launch is cut up. Depends on shapes only.
struct Plan {
  int group;         // query heads a block
  int groups;        // blocks for the query heads of a KV head
  int64_t part;      // positions a block
  int64_t parts;     // blocks along the cache
  int64_t counters;  // blocks without the cut: row x KV head x group
};

// Loads of 16 bytes; else one value at a time and one head a block, which is for checking and for odd head dimensions.
bool is_fast(Dtype dtype, int64_t head_dim) {
  return dtype != Dtype::f32 && head_dim % 8 == 0;
}

Plan make_plan(int64_t rows, const Attention& a, int64_t capacity, bool fast) {
  const int64_t sharing = a.heads / a.kv_heads;
  const int group = sharing == 1 || !fast ? 1 : sharing <= 4 ? 4 : 8;
  const int64_t groups = (sharing + group - 1) / group;
  const int64_t counters = rows * a.kv_heads * groups;
  const int64_t visible = a.window > 0 ? std::min(a.window, capacity) : capacity;
  const int64_t wanted = std::max<int64_t>(1, blocks_wanted / counters);
  const int64_t part = std::max((visible + wanted - 1) / wanted, least_positions_of_part);
  return {group, static_cast<int>(groups), part, (capacity + part - 1) / part, counters};
}

struct Workspace {
  int32_t* arrived;  // [rows, KV heads, groups]: parts that are done; 0 between launches
  float2* softmax;   // [rows, heads, parts]: maximum and sum
  float* values;     // [rows, heads, parts, head_dim]: weighted sums
};

size_t align(size_t bytes) {
  return (bytes + 255) / 256 * 256;
}

template <typename T>
struct Arguments {
  T* y;
  const T* q;
  const T* k;
  const T* v;
  const int32_t* positions;
  Workspace workspace;
  int heads, kv_heads, head_dim, qkv_width;
  int capacity, window, part, parts, groups;
  float scale;  // of the scores, for powers of 2
};

// Width consecutive values of a row as floats.
template <typename T, int width>
struct Vector {
  float values[width];
};

// Not through L1: the newest key and value were written while this kernel may already have been resident.
template <typename T, int width>
__device__ Vector<T, width> load_vector(const T* pointer) {
  Vector<T, width> v;
  if constexpr (width == 8) {
    const uint4 bits = __ldcg(reinterpret_cast<const uint4*>(pointer));
    const uint32_t pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float2 pair = unpack_pair<T>(pairs[i]);
      v.values[2 * i] = pair.x;
      v.values[2 * i + 1] = pair.y;
    }
  } else if constexpr (sizeof(T) == 4) {
    v.values[0] = __ldcg(pointer);
  } else {
    const unsigned short bits = __ldcg(reinterpret_cast<const unsigned short*>(pointer));
    v.values[0] = static_cast<float>(reinterpret_cast<const T&>(bits));
  }
  return v;
}

// exp2(x - maximum), where nothing was seen yet (both minus infinity) 0.
__device__ float weight_below(float x, float maximum) {
  return x == -INFINITY ? 0.f : exp2f(x - maximum);
}

// The state of one query head in one team: what this lane has of the weighted values, and the softmax so far.
template <int n>
struct Partial {
  float maximum = -INFINITY, sum = 0;
  float values[n] = {};
};

// Asks for the part's keys and values, so that they are in L2 by the time the kernel before has ended. The position may
// just be changing; a wrong one costs nothing but a useless request.
template <typename T>
__device__ void prefetch_part(const Arguments<T>& a, int64_t cache_start, int begin, int position) {
  const int end = min(min(begin + a.part, a.capacity), position + 1);
  const int64_t bytes = static_cast<int64_t>(end - begin) * a.head_dim * static_cast<int64_t>(sizeof(T));
  const auto* k = reinterpret_cast<const unsigned char*>(a.k + cache_start + static_cast<int64_t>(begin) * a.head_dim);
  const auto* v = reinterpret_cast<const unsigned char*>(a.v + cache_start + static_cast<int64_t>(begin) * a.head_dim);
  for (int64_t offset = threadIdx.x * 128; offset < bytes; offset += threads * 128) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(k + offset));
    asm volatile("prefetch.global.L2 [%0];" ::"l"(v + offset));
  }
}

// Puts the partial results of a warp's teams together; every team ends up with the same.
template <int lanes, int n>
__device__ void merge_warp(Partial<n>& p) {
  float maximum = p.maximum;
#pragma unroll
  for (int distance = lanes; distance < 32; distance *= 2)
    maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, distance));
  const float weight = weight_below(p.maximum, maximum);
  p.maximum = maximum;
  p.sum *= weight;
#pragma unroll
  for (int i = 0; i < n; ++i) p.values[i] *= weight;
#pragma unroll
  for (int distance = lanes; distance < 32; distance *= 2) {
    p.sum += __shfl_xor_sync(~0u, p.sum, distance);
#pragma unroll
    for (int i = 0; i < n; ++i) p.values[i] += __shfl_xor_sync(~0u, p.values[i], distance);
  }
}

// Counts this block in; true in the last of `expected` to arrive, which then sees what the others wrote.
__device__ bool last_to_arrive(int32_t* arrived, int expected) {
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    last = atomicAdd(arrived, 1) == expected - 1;
    if (last) *arrived = 0;  // for the next launch
    __threadfence();
  }
  __syncthreads();
  return last;
}

// width: values of one load; lanes: of a team; loads: a lane needs for its share of a row (1 unless head_dim is odd).
template <typename T, int width, int lanes, int loads, int group>
__global__ void __launch_bounds__(threads) attention_decode_kernel(const Arguments<T> a) {
  constexpr int n = width * loads;  // values of a lane
  constexpr int teams = threads / lanes;
  __shared__ float2 softmax[warps][group];
  __shared__ float values[warps][group][lanes * n];
  let_successor_start();

  const int part = blockIdx.x, row = blockIdx.z;
  const int kv_head = blockIdx.y / a.groups, sharing = a.heads / a.kv_heads;
  const int first_of_sharing = blockIdx.y % a.groups * group;
  const int first_head = kv_head * sharing + first_of_sharing;
  const int heads = min(group, sharing - first_of_sharing);  // of this block
  const int64_t cache_start = (static_cast<int64_t>(row) * a.kv_heads + kv_head) * a.capacity * a.head_dim;
  const int part_begin = part * a.part;
  prefetch_part(a, cache_start, part_begin, *const_cast<const volatile int32_t*>(a.positions + row));
  wait_for_predecessor();

  const int position = __ldcg(a.positions + row);
  const int first = a.window > 0 ? max(0, position - a.window + 1) : 0;
  const int first_part = first / a.part, last_part = position / a.part;
  if (part < first_part || part > last_part) return;
  const int begin = max(first, part_begin), end = min(position + 1, part_begin + a.part);

  const int lane = threadIdx.x % lanes, team = threadIdx.x / lanes;
  const auto dim = [&](int load) { return (lane + load * lanes) * width; };
  float q[group][n];
  Partial<n> partials[group];
#pragma unroll
  for (int h = 0; h < group; ++h) {
    const T* head = a.q + static_cast<int64_t>(row) * a.qkv_width + (first_head + min(h, heads - 1)) * a.head_dim;
#pragma unroll
    for (int l = 0; l < loads; ++l) {
      const auto loaded = dim(l) < a.head_dim ? load_vector<T, width>(head + dim(l)) : Vector<T, width>{};
#pragma unroll
      for (int i = 0; i < width; ++i) q[h][l * width + i] = loaded.values[i] * a.scale;
    }
  }

  for (int base = begin; base < end; base += teams * unroll) {
    Vector<T, width> k[unroll][loads], v[unroll][loads];
#pragma unroll
    for (int u = 0; u < unroll; ++u) {
      const int p = base + u * teams + team;
      const int64_t offset = cache_start + static_cast<int64_t>(p) * a.head_dim;
#pragma unroll
      for (int l = 0; l < loads; ++l) {
        const bool inside = p < end && dim(l) < a.head_dim;
        k[u][l] = inside ? load_vector<T, width>(a.k + offset + dim(l)) : Vector<T, width>{};
        v[u][l] = inside ? load_vector<T, width>(a.v + offset + dim(l)) : Vector<T, width>{};
      }
    }
#pragma unroll
    for (int h = 0; h < group; ++h) {
      float scores[unroll];
      float maximum = partials[h].maximum;
#pragma unroll
      for (int u = 0; u < unroll; ++u) {
        float score = 0;
#pragma unroll
        for (int i = 0; i < n; ++i) score += q[h][i] * k[u][i / width].values[i % width];
#pragma unroll
        for (int distance = lanes / 2; distance > 0; distance /= 2) score += __shfl_xor_sync(~0u, score, distance);
        scores[u] = base + u * teams + team < end ? score : -INFINITY;
        maximum = fmaxf(maximum, scores[u]);
      }
      const float keep = weight_below(partials[h].maximum, maximum);
      partials[h].maximum = maximum;
      partials[h].sum *= keep;
#pragma unroll
      for (int i = 0; i < n; ++i) partials[h].values[i] *= keep;
#pragma unroll
      for (int u = 0; u < unroll; ++u) {
        const float weight = weight_below(scores[u], maximum);
        partials[h].sum += weight;
#pragma unroll
        for (int i = 0; i < n; ++i) partials[h].values[i] += weight * v[u][i / width].values[i % width];
      }
    }
  }

  const int warp = threadIdx.x / 32;
#pragma unroll
  for (int h = 0; h < group; ++h) {
    merge_warp<lanes>(partials[h]);
    if (threadIdx.x % 32 < lanes) {
      if (lane == 0) softmax[warp][h] = {partials[h].maximum, partials[h].sum};
#pragma unroll
      for (int i = 0; i < n; ++i) values[warp][h][dim(i / width) + i % width] = partials[h].values[i];
    }
  }
  __syncthreads();

  const int parts = last_part - first_part + 1;
  const int64_t first_slot = (static_cast<int64_t>(row) * a.heads + first_head) * a.parts;
  T* y = a.y + (static_cast<int64_t>(row) * a.heads + first_head) * a.head_dim;
  for (int i = threadIdx.x; i < heads * a.head_dim; i += threads) {
    const int h = i / a.head_dim, d = i % a.head_dim;
    float maximum = -INFINITY, sum = 0, value = 0;
#pragma unroll
    for (int w = 0; w < warps; ++w) maximum = fmaxf(maximum, softmax[w][h].x);
#pragma unroll
    for (int w = 0; w < warps; ++w) {
      const float weight = weight_below(softmax[w][h].x, maximum);
      sum += softmax[w][h].y * weight;
      value += values[w][h][d] * weight;
    }
    if (parts == 1) {
      y[i] = static_cast<T>(value / sum);
    } else {
      const int64_t slot = first_slot + static_cast<int64_t>(h) * a.parts + part;
      if (d == 0) a.workspace.softmax[slot] = {maximum, sum};
      a.workspace.values[slot * a.head_dim + d] = value;
    }
  }
  if (parts == 1) return;

  const int counter = row * gridDim.y + blockIdx.y;
  if (!last_to_arrive(a.workspace.arrived + counter, parts)) return;
  for (int i = threadIdx.x; i < heads * a.head_dim; i += threads) {
    const int h = i / a.head_dim, d = i % a.head_dim;
    const int64_t slots = first_slot + static_cast<int64_t>(h) * a.parts;
    float maximum = -INFINITY, sum = 0, value = 0;
    for (int s = first_part; s <= last_part; ++s) maximum = fmaxf(maximum, __ldcg(&a.workspace.softmax[slots + s].x));
    for (int s = first_part; s <= last_part; ++s) {
      const float2 of_part = __ldcg(&a.workspace.softmax[slots + s]);
      const float weight = weight_below(of_part.x, maximum);
      sum += of_part.y * weight;
      value += __ldcg(&a.workspace.values[(slots + s) * a.head_dim + d]) * weight;
    }
    y[i] = static_cast<T>(value / sum);
  }
}

template <typename T, int width, int lanes, int loads>
void launch_group(cudaStream_t stream, const Arguments<T>& arguments, const Plan& plan, dim3 grid) {
  const auto launch_kernel = [&](auto kernel) {
    launch("decode attention", stream, kernel, grid, dim3(threads), 0, arguments);
  };
  if constexpr (width > 1) {
    if (plan.group == 4) return launch_kernel(attention_decode_kernel<T, width, lanes, loads, 4>);
    if (plan.group == 8) return launch_kernel(attention_decode_kernel<T, width, lanes, loads, 8>);
  }
  launch_kernel(attention_decode_kernel<T, width, lanes, loads, 1>);
}

// Where in the workspace its parts begin, and its size.
struct Layout {
  size_t softmax, values, bytes;
};

Layout make_layout(int64_t rows, const Attention& a, const Plan& plan) {
  const auto slots = static_cast<size_t>(rows * a.heads * plan.parts);
  Layout layout;
  layout.softmax = align(static_cast<size_t>(plan.counters) * sizeof(int32_t));
  layout.values = layout.softmax + align(slots * sizeof(float2));
  layout.bytes = layout.values + slots * static_cast<size_t>(a.head_dim) * sizeof(float);
  return layout;
}

}  // namespace

size_t attention_decode_workspace_bytes(int64_t rows, const Attention& a, int64_t capacity) {
  return std::max(make_layout(rows, a, make_plan(rows, a, capacity, true)).bytes,
                  make_layout(rows, a, make_plan(rows, a, capacity, false)).bytes);
}

void launch_attention_decode(cudaStream_t stream, Dtype dtype, void* y, const void* qkv, const KvCache& cache,
                             const int32_t* positions, const Attention& attention, void* workspace) {
  if (attention.head_dim > 128) throw internal_error("decode attention", "head_dim over 128");
  const int64_t rows = cache.k.shape[0], capacity = cache.capacity();
  const bool fast = is_fast(dtype, attention.head_dim);
  const Plan plan = make_plan(rows, attention, capacity, fast);
  const Layout layout = make_layout(rows, attention, plan);
  auto* bytes = static_cast<unsigned char*>(workspace);
  const dim3 grid(static_cast<unsigned>(plan.parts), static_cast<unsigned>(attention.kv_heads * plan.groups),
                  static_cast<unsigned>(rows));
  with_type(dtype, [&]<typename T>(T) {
    const Arguments<T> arguments{.y = static_cast<T*>(y),
                                 .q = static_cast<const T*>(qkv),
                                 .k = static_cast<const T*>(cache.k.data),
                                 .v = static_cast<const T*>(cache.v.data),
                                 .positions = positions,
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
                                 .groups = plan.groups,
                                 .scale = attention.scale * 1.442695041f};
    if constexpr (sizeof(T) == 2) {
      if (fast) {
        if (attention.head_dim <= 64) return launch_group<T, 8, 8, 1>(stream, arguments, plan, grid);
        return launch_group<T, 8, 16, 1>(stream, arguments, plan, grid);
      }
    }
    launch_group<T, 1, 32, 4>(stream, arguments, plan, grid);
  });
}

}  // namespace cotenant
