#pragma once

#include <algorithm>
#include <cmath>

#include "engine/native/cuda/head_transform.cuh"
#include "engine/native/cuda/pack.cuh"
#include "engine/native/ops.h"

// How decode attention is cut into blocks along the cache, and how what they find is put together: within a block, and
// where the cache was cut, by the last block to arrive.
namespace cotenant::decode {

constexpr int threads = 512;
constexpr int warps = threads / 32;
constexpr int most_heads = 8;     // of a block
constexpr int step_of_warp = 16;  // positions
constexpr int step_of_block = warps * step_of_warp;
// Putting parts together takes about 3 us on an H100, more than two steps do.
constexpr int64_t least_part = 2 * step_of_block;
constexpr int64_t blocks_wanted = 132;

// How a launch is cut up. Depends on shapes only.
struct Plan {
  int heads;       // query heads of a block
  int groups;      // blocks for the query heads of a KV head
  int64_t part;    // positions of a block
  int64_t parts;   // blocks along the cache
  int64_t blocks;  // of one part of all rows and heads
};

inline bool is_fast(Dtype dtype, int64_t head_dim) {
  return dtype != Dtype::f32 && head_dim % 8 == 0;
}

inline Plan make_plan(int64_t rows, const Attention& a, int64_t capacity, bool fast) {
  const int64_t sharing = a.heads / a.kv_heads;
  const int64_t heads = fast ? std::min<int64_t>(sharing, most_heads) : 1;
  const int64_t groups = (sharing + heads - 1) / heads;
  const int64_t blocks = rows * a.kv_heads * groups;
  const int64_t visible = a.window > 0 ? std::min(a.window, capacity) : capacity;
  const int64_t wanted = std::max<int64_t>(1, blocks_wanted / blocks);
  const int64_t even = (visible + wanted - 1) / wanted;
  const int64_t part = std::max(least_part, (even + step_of_block - 1) / step_of_block * step_of_block);
  return {static_cast<int>(heads), static_cast<int>(groups), part, (capacity + part - 1) / part, blocks};
}

// Where in the workspace its parts begin, and its size.
struct Layout {
  size_t softmax, values, bytes;
};

inline Layout make_layout(int64_t rows, const Attention& a, const Plan& plan) {
  const auto align = [](size_t bytes) { return (bytes + 255) / 256 * 256; };
  const auto slots = static_cast<size_t>(rows * a.heads * plan.parts);
  Layout layout;
  layout.softmax = align(static_cast<size_t>(plan.blocks) * sizeof(int32_t));
  layout.values = layout.softmax + align(slots * sizeof(float2));
  layout.bytes = layout.values + slots * static_cast<size_t>(a.head_dim) * sizeof(float);
  return layout;
}

struct Workspace {
  int32_t* arrived;  // [rows, KV heads, groups]: parts that are done; 0 between launches
  float2* softmax;   // [rows, heads, parts]: maximum and sum
  float* values;     // [rows, heads, parts, head_dim]: weighted sums
};

template <typename T>
struct Arguments {
  T* y;
  const T* qkv;
  T* k;
  T* v;
  const int32_t* positions;
  HeadTransform<T> transform;
  Workspace workspace;
  int heads, kv_heads, head_dim, qkv_width;
  int capacity, window, part, parts, heads_of_block, groups;
  float scale;  // of the scores, for powers of 2
};

// What a block works on.
struct Task {
  int row, part, first_head, heads;
  int64_t cache_start;  // of the row and KV head, in elements
  int begin, end;       // positions
  int first_part, parts;

  __device__ bool empty() const { return begin >= end; }
};

template <typename T>
__device__ Task make_task(const Arguments<T>& a) {
  const int sharing = a.heads / a.kv_heads, kv_head = blockIdx.y / a.groups;
  const int first_of_sharing = blockIdx.y % a.groups * a.heads_of_block;
  Task task{};
  task.row = blockIdx.z;
  task.part = blockIdx.x;
  task.first_head = kv_head * sharing + first_of_sharing;
  task.heads = min(a.heads_of_block, sharing - first_of_sharing);
  task.cache_start = (static_cast<int64_t>(task.row) * a.kv_heads + kv_head) * a.capacity * a.head_dim;
  return task;
}

template <typename T>
__device__ int load_position(const Arguments<T>& a, const Task& task) {
  return __ldcg(a.positions + task.row);
}

template <typename T>
__device__ void set_positions(Task& task, const Arguments<T>& a, int position) {
  const int first = a.window > 0 ? max(0, position - a.window + 1) : 0;
  task.first_part = first / a.part;
  task.parts = position / a.part - task.first_part + 1;
  task.begin = max(first, task.part * a.part);
  task.end = min(position + 1, (task.part + 1) * a.part);
}

// exp2(x - maximum); 0 where nothing was seen yet (both minus infinity).
__device__ inline float weight_below(float x, float maximum) {
  return x == -INFINITY ? 0.f : exp2f(x - maximum);
}

// Counts this block in; true in the last of `expected` to arrive, which then sees what the others wrote.
__device__ inline bool last_to_arrive(int32_t* arrived, int expected) {
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

// Puts the parts of the workspace together. Loads are independent of each other, so that their latencies overlap.
template <typename T>
__device__ void merge_parts(const Arguments<T>& a, const Task& task, int64_t first_slot, T* y) {
  for (int i = threadIdx.x; i < task.heads * a.head_dim; i += threads) {
    const int h = i / a.head_dim, d = i % a.head_dim;
    const int64_t slots = first_slot + static_cast<int64_t>(h) * a.parts + task.first_part;
    float maximum = -INFINITY, sum = 0, value = 0;
    constexpr int together = 8;
    for (int s = 0; s < task.parts; s += together) {
      float2 softmax[together];
      float values[together];
#pragma unroll
      for (int j = 0; j < together; ++j) {
        const bool inside = s + j < task.parts;
        softmax[j] = inside ? __ldcg(&a.workspace.softmax[slots + s + j]) : float2{-INFINITY, 0};
        values[j] = inside ? __ldcg(&a.workspace.values[(slots + s + j) * a.head_dim + d]) : 0;
      }
#pragma unroll
      for (int j = 0; j < together; ++j) {
        const float highest = fmaxf(maximum, softmax[j].x);
        const float keep = weight_below(maximum, highest), weight = weight_below(softmax[j].x, highest);
        sum = sum * keep + softmax[j].y * weight;
        value = value * keep + values[j] * weight;
        maximum = highest;
      }
    }
    y[i] = from_float<T>(value / sum);
  }
}

// Merges what the warps found: softmax [warps][heads], values [warps][heads][head_dim]. Writes y, or the workspace and,
// in the last block of the cut, y.
template <typename T>
__device__ void finish(const Arguments<T>& a, const Task& task, const float2* softmax, const float* values) {
  const int64_t first_slot = (static_cast<int64_t>(task.row) * a.heads + task.first_head) * a.parts;
  T* y = a.y + (static_cast<int64_t>(task.row) * a.heads + task.first_head) * a.head_dim;
  const int outputs = task.heads * a.head_dim;
  for (int i = threadIdx.x; i < outputs; i += threads) {
    const int h = i / a.head_dim, d = i % a.head_dim;
    float maximum = -INFINITY, sum = 0, value = 0;
#pragma unroll
    for (int w = 0; w < warps; ++w) maximum = fmaxf(maximum, softmax[w * task.heads + h].x);
#pragma unroll
    for (int w = 0; w < warps; ++w) {
      const float2 of_warp = softmax[w * task.heads + h];
      const float weight = weight_below(of_warp.x, maximum);
      sum += of_warp.y * weight;
      value += values[w * outputs + i] * weight;
    }
    if (task.parts == 1) {
      y[i] = from_float<T>(value / sum);
    } else {
      const int64_t slot = first_slot + static_cast<int64_t>(h) * a.parts + task.part;
      if (d == 0) a.workspace.softmax[slot] = {maximum, sum};
      a.workspace.values[slot * a.head_dim + d] = value;
    }
  }
  if (task.parts == 1) return;

  const int counter = task.row * gridDim.y + blockIdx.y;
  if (!last_to_arrive(a.workspace.arrived + counter, task.parts)) return;
  merge_parts(a, task, first_slot, y);
}

}  // namespace cotenant::decode
