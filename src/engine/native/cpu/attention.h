#pragma once

#include "engine/native/cpu/kernels.h"
#include "engine/native/cpu/simd.h"

// The attention kernels, as templates for kernels.cpp.
//
// attend() follows the online softmax (Milakov and Gimelshein 2018; Dao et al. 2022): keys and values pass by in blocks
// while each query keeps its largest score, its sum and its output so far. Vectors run along the queries: scores and
// outputs are kept transposed, so that the softmax needs no sum across a vector, and both products are the same loop
// of broadcasts.
namespace cotenant {
namespace {

constexpr int tile = 2 * lanes;  // queries side by side
#if defined(__AVX512F__)
constexpr int tile_rows = 12;  // 24 accumulators of 32 registers
#else
constexpr int tile_rows = 6;  // 12 of 16
#endif
constexpr float far_below = -1e30f;  // a masked score; finite, so that differences of two are no NaN

// c[m][:] (+)= sum over k of a[m * a_row + k * a_column] * b[k][:], for m < rows; c and b have rows of `tile`.
template <int rows, bool add>
inline void multiply_tile(float* c, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth) {
  Floats left[rows], right[rows];
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
    left[m] = add ? load(c + m * tile) : Floats{};
    right[m] = add ? load(c + m * tile + lanes) : Floats{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    const Floats b_left = load(b + k * tile), b_right = load(b + k * tile + lanes);
#pragma GCC unroll 16
    for (int m = 0; m < rows; ++m) {
      const Floats factor = all(a[m * a_row + k * a_column]);
      left[m] += factor * b_left;
      right[m] += factor * b_right;
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < rows; ++m) {
    store(c + m * tile, left[m]);
    store(c + m * tile + lanes, right[m]);
  }
}

template <bool add>
void multiply(float* c, int64_t rows, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t depth) {
  int64_t m = 0;
  for (; m + tile_rows <= rows; m += tile_rows)
    multiply_tile<tile_rows, add>(c + m * tile, a + m * a_row, a_row, a_column, b, depth);
  for (; m + 4 <= rows; m += 4) multiply_tile<4, add>(c + m * tile, a + m * a_row, a_row, a_column, b, depth);
  for (; m < rows; ++m) multiply_tile<1, add>(c + m * tile, a + m * a_row, a_row, a_column, b, depth);
}

// to[i][:] = from[i * stride + :] for i < rows, as floats, `width` each.
template <typename T>
void widen_rows(float* to, const T* from, int64_t rows, int64_t stride, int64_t width) {
  for (int64_t i = 0; i < rows; ++i, to += width, from += stride) {
    int64_t d = 0;
    for (; d + lanes <= width; d += lanes) store(to + d, load(from + d));
    for (; d < width; ++d) to[d] = load_one(from + d);
  }
}

// The queries of one tile and what they have gathered.
struct QueryTile {
  int64_t first;   // query at the tile's first lane; queries beyond the last one are zeros
  float* queries;  // [head_dim][tile], scaled
  float* output;   // [head_dim][tile], not yet divided by the sum
  float* best;     // [tile] largest score
  float* total;    // [tile] sum of exponentials
};

template <typename T>
void start_tile(const QueryTile& t, const T* q, int64_t stride, int64_t count, int64_t head_dim, float factor) {
  for (int64_t d = 0; d < head_dim; ++d)
    for (int64_t i = 0; i < tile; ++i)
      t.queries[d * tile + i] = i < count ? load_one(q + i * stride + d) * factor : 0.0f;
  for (int64_t i = 0; i < head_dim * tile; i += lanes) store(t.output + i, Floats{});
  for (int64_t i = 0; i < tile; i += lanes) {
    store(t.best + i, all(far_below));
    store(t.total + i, Floats{});
  }
}

template <typename T>
void finish_tile(const QueryTile& t, T* y, int64_t stride, int64_t count, int64_t head_dim) {
  for (int64_t i = 0; i < count; ++i) {
    const float factor = 1 / t.total[i];
    for (int64_t d = 0; d < head_dim; ++d) store_one(y + i * stride + d, t.output[d * tile + i] * factor);
  }
}

// scores[j][i]: out of the sight of query first + i are keys after it (causal) and keys window or more before it.
inline void mask_scores(float* scores, int64_t first_key, int64_t keys, int64_t first_query, int64_t window) {
  for (int64_t j = 0; j < keys; ++j)
    for (int64_t i = 0; i < tile; ++i) {
      const int64_t back = first_query + i - (first_key + j);
      const bool seen = back >= 0 && (window == 0 || back < window);
      scores[j * tile + i] = seen ? scores[j * tile + i] : far_below;
    }
}

// Turns scores into exponentials against the new largest score and brings the tile's state to it.
inline void soften(const QueryTile& t, float* scores, int64_t keys, int64_t head_dim) {
  for (int64_t half = 0; half < tile; half += lanes) {
    float* column = scores + half;
    Floats best = load(t.best + half);
    for (int64_t j = 0; j < keys; ++j) best = max(best, load(column + j * tile));
    const Floats shrink = exp2(load(t.best + half) - best);
    Floats total = load(t.total + half) * shrink;
    for (int64_t j = 0; j < keys; ++j) {
      const Floats e = exp2(load(column + j * tile) - best);
      store(column + j * tile, e);
      total += e;
    }
    store(t.best + half, best);
    store(t.total + half, total);
    for (int64_t d = 0; d < head_dim; ++d) {
      float* output = t.output + d * tile + half;
      store(output, load(output) * shrink);
    }
  }
}

template <typename T>
void attend(const AttendArgs& a, int64_t row, int64_t head, int64_t first, int64_t last, float* scratch) {
  const int64_t d = a.head_dim, stride = (a.heads + 2 * a.kv_heads) * d, kv_head = head / (a.heads / a.kv_heads);
  const T* qkv = static_cast<const T*>(a.qkv) + row * a.length * stride;
  const T* q = qkv + head * d;
  const T* k = qkv + (a.heads + kv_head) * d;
  const T* v = k + a.kv_heads * d;
  T* y = static_cast<T*>(a.y) + row * a.length * a.heads * d + head * d;

  float* keys = scratch;
  float* values = keys + attend_keys * d;
  float* scores = values + attend_keys * d;
  float* state = scores + attend_keys * tile;
  const int64_t tiles = (last - first + tile - 1) / tile, state_floats = 2 * d * tile + 2 * tile;
  const auto query_tile = [&](int64_t i) {
    float* own = state + i * state_floats;
    return QueryTile{.first = first + i * tile,
                     .queries = own,
                     .output = own + d * tile,
                     .best = own + 2 * d * tile,
                     .total = own + 2 * d * tile + tile};
  };
  const auto queries_of = [&](const QueryTile& t) { return last - t.first < tile ? last - t.first : int64_t{tile}; };

  for (int64_t i = 0; i < tiles; ++i) {
    const QueryTile t = query_tile(i);
    start_tile(t, q + t.first * stride, stride, queries_of(t), d, a.scale * log2_e);
  }
  const int64_t oldest = a.window > 0 && first >= a.window ? first - a.window + 1 : 0;
  const int64_t newest = a.causal ? last : a.length;
  for (int64_t j = oldest; j < newest; j += attend_keys) {
    const int64_t n = newest - j < attend_keys ? newest - j : attend_keys;
    widen_rows(keys, k + j * stride, n, stride, d);
    widen_rows(values, v + j * stride, n, stride, d);
    for (int64_t i = 0; i < tiles; ++i) {
      const QueryTile t = query_tile(i);
      const int64_t last_query = t.first + tile - 1;
      if (a.causal && j > last_query) continue;
      if (a.window > 0 && j + n - 1 + a.window <= t.first) continue;
      // Keys that no query of the tile sees yet need no arithmetic.
      const int64_t seen = a.causal && last_query + 1 - j < n ? last_query + 1 - j : n;
      multiply<false>(scores, seen, keys, d, 1, t.queries, d);
      if (a.causal && (j + seen - 1 > t.first || a.window > 0)) mask_scores(scores, j, seen, t.first, a.window);
      soften(t, scores, seen, d);
      multiply<true>(t.output, d, values, 1, d, scores, seen);
    }
  }
  for (int64_t i = 0; i < tiles; ++i) {
    const QueryTile t = query_tile(i);
    finish_tile(t, y + t.first * a.heads * d, a.heads * d, queries_of(t), d);
  }
}

template <typename T>
float dot(const float* a, const T* b, int64_t count) {
  Floats total{};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) total += load(a + i) * load(b + i);
  float result = sum(total);
  for (; i < count; ++i) result += a[i] * load_one(b + i);
  return result;
}

// scores[j] = 2^(scores[j] - the largest); returns their sum.
inline float soften_row(float* scores, int64_t count) {
  Floats tops = all(far_below);
  int64_t j = 0;
  for (; j + lanes <= count; j += lanes) tops = max(tops, load(scores + j));
  float best = largest(tops);
  for (; j < count; ++j) best = scores[j] > best ? scores[j] : best;
  Floats totals{};
  for (j = 0; j + lanes <= count; j += lanes) {
    const Floats e = exp2(load(scores + j) - best);
    store(scores + j, e);
    totals += e;
  }
  float total = sum(totals);
  for (; j < count; ++j) {
    scores[j] = exp2(all(scores[j] - best))[0];
    total += scores[j];
  }
  return total;
}

// y = factor * sum over j of weights[j] * values[j][:]
template <typename T>
void weigh(T* y, const float* weights, const T* values, int64_t count, int64_t head_dim, float factor) {
  int64_t d = 0;
  for (; d + 2 * lanes <= head_dim; d += 2 * lanes) {
    Floats left{}, right{};
    for (int64_t j = 0; j < count; ++j) {
      left += weights[j] * load(values + j * head_dim + d);
      right += weights[j] * load(values + j * head_dim + d + lanes);
    }
    store(y + d, left * factor);
    store(y + d + lanes, right * factor);
  }
  for (; d < head_dim; ++d) {
    float total = 0;
    for (int64_t j = 0; j < count; ++j) total += weights[j] * load_one(values + j * head_dim + d);
    store_one(y + d, total * factor);
  }
}

template <typename T>
void attend_cached(const AttendCachedArgs& a, int64_t token, int64_t kv_head, float* scratch) {
  const int64_t d = a.head_dim, group = a.heads / a.kv_heads, position = a.position_of[token];
  const int64_t oldest = a.window > 0 && position >= a.window ? position - a.window + 1 : 0;
  const int64_t count = position + 1 - oldest;
  const int64_t cached = ((a.cache_rows.of(token) * a.kv_heads + kv_head) * a.capacity + oldest) * d;
  const T* keys = static_cast<const T*>(a.k_cache) + cached;
  const T* values = static_cast<const T*>(a.v_cache) + cached;
  const T* q = static_cast<const T*>(a.qkv) + token * (a.heads + 2 * a.kv_heads) * d;
  T* y = static_cast<T*>(a.y) + token * a.heads * d;
  float* query = scratch;
  float* scores = scratch + d;
  for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
    for (int64_t i = 0; i < d; ++i) query[i] = load_one(q + h * d + i) * (a.scale * log2_e);
    for (int64_t j = 0; j < count; ++j) scores[j] = dot(query, keys + j * d, d);
    const float total = soften_row(scores, count);
    weigh(y + h * d, scores, values, count, d, 1 / total);
  }
}

}  // namespace
}  // namespace cotenant
