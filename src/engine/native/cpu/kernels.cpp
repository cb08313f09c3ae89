// Compiled once per instruction set (COTENANT_ISA names it). Nothing here may have external linkage but the one table:
// an inline function shared with other files could drag its AVX-512 copy onto machines without.
#include "engine/native/cpu/kernels.h"

#include "engine/native/cpu/attention.h"
#include "engine/native/cpu/simd.h"

namespace cotenant {
namespace {

void fill_random(const RandomFill& fill, uint64_t first, int64_t count, float* out) {
  const RandomFill local = fill;
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) out[i] = random_value(local, first + static_cast<uint64_t>(i));
}

template <typename T>
void narrow(void* y, const float* x, int64_t count) {
  T* out = static_cast<T*>(y);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) store(out + i, load(x + i));
  for (; i < count; ++i) store_one(out + i, x[i]);
}

template <typename T>
void embed(const EmbedArgs& a, int64_t first, int64_t last) {
  for (int64_t t = first; t < last; ++t) {
    T* y = static_cast<T*>(a.y) + t * a.hidden;
    const T* token = static_cast<const T*>(a.tokens) + int64_t{a.ids[t]} * a.hidden;
    const T* position =
        a.positions ? static_cast<const T*>(a.positions) + (a.position_of[t] + a.position_offset) * a.hidden : nullptr;
    const T* type = static_cast<const T*>(a.type);
    for (int64_t i = 0; i < a.hidden; ++i) {
      float x = load_one(token + i);
      if (type) x += load_one(type + i);
      if (position) x += load_one(position + i);
      store_one(y + i, x);
    }
  }
}

// One row of `width`: y = (x - mean) * factor * scale + shift.
template <typename T>
void scale_row(T* y, const T* x, const T* scale, const T* shift, int64_t width, float mean, float factor) {
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    Floats v = (load(x + i) - mean) * factor * load(scale + i);
    if (shift) v += load(shift + i);
    store(y + i, v);
  }
  for (; i < width; ++i) {
    const float v = (load_one(x + i) - mean) * factor * load_one(scale + i);
    store_one(y + i, shift ? v + load_one(shift + i) : v);
  }
}

// The sum of (x - mean)^power, power 1 or 2.
template <int power, typename T>
float sum_row(const T* x, int64_t width, float mean) {
  Floats total{};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes) {
    const Floats d = load(x + i) - mean;
    total += power == 1 ? d : d * d;
  }
  float rest = sum(total);
  for (; i < width; ++i) {
    const float d = load_one(x + i) - mean;
    rest += power == 1 ? d : d * d;
  }
  return rest;
}

template <typename T>
void norm_row(T* y, const T* x, NormKind kind, const T* scale, const T* shift, int64_t width, float eps) {
  const auto n = static_cast<float>(width);
  const float mean = kind == NormKind::layer ? sum_row<1>(x, width, 0) / n : 0;
  const float variance = sum_row<2>(x, width, mean) / n;
  scale_row(y, x, scale, shift, width, mean, 1 / __builtin_sqrtf(variance + eps));
}

template <typename T>
void norm(const NormArgs& a, int64_t first, int64_t last) {
  for (int64_t r = first; r < last; ++r)
    norm_row(static_cast<T*>(a.y) + r * a.width, static_cast<const T*>(a.x) + r * a.width, a.kind,
             static_cast<const T*>(a.scale), static_cast<const T*>(a.shift), a.width, a.eps);
}

inline float silu(float x) {
  return x / (1 + __builtin_expf(-x));
}
inline Floats silu(Floats x) {
  return x / (1.0f + exp2(max(min(x * -log2_e, all(126)), all(-126))));
}

template <typename T>
void gate_silu(const GateArgs& a, int64_t first, int64_t last) {
  for (int64_t r = first; r < last; ++r) {
    T* y = static_cast<T*>(a.y) + r * a.width;
    const T* gate = static_cast<const T*>(a.x) + r * 2 * a.width;
    const T* up = gate + a.width;
    int64_t i = 0;
    for (; i + lanes <= a.width; i += lanes) store(y + i, silu(load(gate + i)) * load(up + i));
    for (; i < a.width; ++i) store_one(y + i, silu(load_one(gate + i)) * load_one(up + i));
  }
}

// Rotates the pairs (i, i + n) of one head; rope: n times cos and sin.
template <typename T>
void rotate(T* head, const float* rope, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float a = load_one(head + i), b = load_one(head + i + n);
    const float c = rope[2 * i], s = rope[2 * i + 1];
    store_one(head + i, a * c - b * s);
    store_one(head + i + n, b * c + a * s);
  }
}

template <typename T>
void copy_heads(const T* heads, void* cache, const TransformArgs& a, int64_t token) {
  const int64_t row = a.cache_rows.of(token), d = a.head_dim;
  for (int64_t h = 0; h < a.kv_heads; ++h) {
    T* to = static_cast<T*>(cache) + ((row * a.kv_heads + h) * a.capacity + a.position_of[token]) * d;
    __builtin_memcpy(to, heads + h * d, static_cast<size_t>(d) * sizeof(T));
  }
}

template <typename T>
void transform_qkv(const TransformArgs& a, int64_t first, int64_t last) {
  const int64_t d = a.head_dim;
  for (int64_t t = first; t < last; ++t) {
    T* qkv = static_cast<T*>(a.qkv) + t * (a.heads + 2 * a.kv_heads) * d;
    for (int64_t h = 0; h < a.heads + a.kv_heads; ++h) {
      T* head = qkv + h * d;
      const T* scale = static_cast<const T*>(h < a.heads ? a.q_norm : a.k_norm);
      if (scale) norm_row(head, head, NormKind::rms, scale, static_cast<const T*>(nullptr), d, a.eps);
      if (a.rope) rotate(head, a.rope + a.position_of[t] * d, d / 2);
    }
    if (!a.k_cache) continue;
    copy_heads(qkv + a.heads * d, a.k_cache, a, t);
    copy_heads(qkv + (a.heads + a.kv_heads) * d, a.v_cache, a, t);
  }
}

template <typename T>
int32_t argmax(const void* x, int64_t count) {
  const T* values = static_cast<const T*>(x);
  float best = load_one(values);
  int64_t i = 0;
  if (count >= lanes) {
    Floats tops = load(values);
    for (; i + lanes <= count; i += lanes) tops = max(tops, load(values + i));
    best = largest(tops);
  }
  for (; i < count; ++i) best = load_one(values + i) > best ? load_one(values + i) : best;
  for (i = 0; i < count; ++i)
    if (load_one(values + i) == best) return static_cast<int32_t>(i);
  return 0;
}

template <typename T>
constexpr TypedKernels typed{.narrow = narrow<T>,
                             .embed = embed<T>,
                             .norm = norm<T>,
                             .gate_silu = gate_silu<T>,
                             .transform_qkv = transform_qkv<T>,
                             .attend = attend<T>,
                             .attend_cached = attend_cached<T>,
                             .argmax = argmax<T>};

}  // namespace

#define COTENANT_NAME_(isa) kernels_##isa
#define COTENANT_NAME(isa) COTENANT_NAME_(isa)
#define COTENANT_TEXT_(isa) #isa
#define COTENANT_TEXT(isa) COTENANT_TEXT_(isa)

extern const Kernels COTENANT_NAME(COTENANT_ISA);
const Kernels COTENANT_NAME(COTENANT_ISA){
    .name = COTENANT_TEXT(COTENANT_ISA), .fill_random = fill_random, .f32 = typed<float>, .bf16 = typed<Bf16>};

}  // namespace cotenant
