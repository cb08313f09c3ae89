#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "model/random.h"
#include "model/spec.h"

// What the CPU engine computes itself; the products are oneDNN's. Each kernel works on one piece on the calling thread;
// how work is split is the caller's. kernels.cpp is compiled once per instruction set and the best table is chosen at
// run time. Pointers to activations and weights are to float or bfloat16, by table; arithmetic is float32 in both.
namespace cotenant {

struct EmbedArgs {
  void* y;                // [tokens, hidden]
  const void* tokens;     // [vocab, hidden]
  const void* positions;  // [positions, hidden] or nullptr
  const void* type;       // [hidden] or nullptr
  const int32_t* ids;
  const int32_t* position_of;  // of each token
  int64_t position_offset;
  int64_t hidden;
};

struct NormArgs {
  void* y;        // [rows, width]; may be x
  const void* x;  // [rows, width]
  NormKind kind;
  float eps;
  const void* scale;  // [width]
  const void* shift;  // [width] or nullptr
  int64_t width;
};

struct GateArgs {
  void* y;        // [rows, width]
  const void* x;  // [rows, 2 * width]
  int64_t width;
};

// In which row of the KV cache a token's sequence is.
struct CacheRows {
  int64_t tokens_per_sequence = 1;
  const int32_t* row_of = nullptr;  // of each sequence; nullptr: its own number

  int64_t of(int64_t token) const {
    const int64_t sequence = token / tokens_per_sequence;
    return row_of ? row_of[sequence] : sequence;
  }
};

struct TransformArgs {
  void* qkv;  // [tokens, (heads + 2 * kv_heads) * head_dim]
  const int32_t* position_of;
  const float* rope;   // [positions, head_dim / 2, 2] or nullptr
  const void* q_norm;  // [head_dim] or nullptr
  const void* k_norm;
  float eps;      // of both
  void* k_cache;  // [rows, kv_heads, capacity, head_dim] or nullptr
  void* v_cache;
  int64_t capacity;
  CacheRows cache_rows = {};
  int64_t heads, kv_heads, head_dim;
};

struct AttendArgs {
  void* y;          // [tokens, heads * head_dim]
  const void* qkv;  // [tokens, (heads + 2 * kv_heads) * head_dim]
  int64_t length;   // tokens of a row
  int64_t heads, kv_heads, head_dim;
  bool causal;
  int64_t window;  // 0: none
  float scale;
};

struct AttendCachedArgs {
  void* y;          // [tokens, heads * head_dim]
  const void* qkv;  // [tokens, (heads + 2 * kv_heads) * head_dim]
  const void* k_cache;
  const void* v_cache;
  int64_t capacity;
  const int32_t* position_of;  // of each token
  CacheRows cache_rows = {};
  int64_t heads, kv_heads, head_dim;
  int64_t window;
  float scale;
};

// The kernels of one dtype. Ranges are [first, last).
struct TypedKernels {
  void (*narrow)(void* y, const float* x, int64_t count);  // float to the dtype
  void (*embed)(const EmbedArgs&, int64_t first_token, int64_t last_token);
  void (*norm)(const NormArgs&, int64_t first_row, int64_t last_row);
  void (*gate_silu)(const GateArgs&, int64_t first_row, int64_t last_row);
  void (*transform_qkv)(const TransformArgs&, int64_t first_token, int64_t last_token);
  // Queries [first, last) of one head of one row; at most attend_queries of them. scratch: attend_floats().
  void (*attend)(const AttendArgs&, int64_t row, int64_t head, int64_t first, int64_t last, float* scratch);
  // All heads of one token that share a KV head. scratch: capacity + head_dim floats.
  void (*attend_cached)(const AttendCachedArgs&, int64_t token, int64_t kv_head, float* scratch);
  int32_t (*argmax)(const void* x, int64_t count);
};

struct Kernels {
  const char* name;  // "avx512", "avx2", "baseline"
  void (*fill_random)(const RandomFill& fill, uint64_t first, int64_t count, float* out);
  TypedKernels f32, bf16;

  const TypedKernels& of(Dtype dtype) const { return dtype == Dtype::bf16 ? bf16 : f32; }
};

// attend() goes over the keys in blocks of attend_keys and keeps the state of attend_queries queries meanwhile.
inline constexpr int64_t attend_queries = 128;
inline constexpr int64_t attend_keys = 64;
constexpr int64_t attend_floats(int64_t head_dim) {
  const int64_t keys_and_values = 2 * attend_keys * head_dim;
  const int64_t queries_and_outputs = 2 * attend_queries * head_dim;
  const int64_t scores = attend_keys * 32;  // of two vectors of queries, 16 floats each at most
  return keys_and_values + queries_and_outputs + scores + 2 * attend_queries;
}

}  // namespace cotenant
