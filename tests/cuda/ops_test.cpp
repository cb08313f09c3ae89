#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "device_data.h"
#include "engine/native/cuda/elementwise.h"
#include "engine/native/cuda/embed.h"
#include "engine/native/cuda/handles.h"
#include "engine/native/cuda/norm.h"
#include "engine/native/cuda/qkv_transform.h"
#include "engine/native/cuda/tokens.h"
#include "engine/native/cuda/weight_kernels.h"

// The fused kernels against plain loops in double precision, on fresh random values, into poisoned memory.
namespace cotenant {
namespace {

using OpsTest = OnGpu;
constexpr Dtype dtypes[] = {Dtype::f32, Dtype::f16, Dtype::bf16};

Tensor tensor(const DeviceArray& array, Dtype dtype, Shape shape) {
  return {.data = array.data(), .dtype = dtype, .shape = shape};
}

// An int32 array on the device.
DeviceArray integers(const std::vector<int32_t>& values) {
  return {Dtype::i32, std::vector<float>(values.begin(), values.end())};
}

std::vector<int32_t> read_integers(const DeviceArray& array) {
  const std::vector<float> raw = array.read();  // four bytes a value, as they are
  std::vector<int32_t> values(raw.size());
  std::memcpy(values.data(), raw.data(), raw.size() * sizeof(int32_t));
  return values;
}

std::vector<int32_t> random_integers(Random& random, size_t count, int64_t below) {
  std::vector<int32_t> values(count);
  for (int32_t& v : values) v = static_cast<int32_t>(random.between(0, below - 1));
  return values;
}

constexpr Activation activations[] = {Activation::gelu_tanh, Activation::gelu_erf, Activation::silu, Activation::relu};

void compare(const DeviceArray& result, const std::vector<double>& reference, Dtype dtype, const std::string& what) {
  SCOPED_TRACE(what);
  Difference difference;
  const std::vector<float> values = result.read();
  ASSERT_EQ(values.size(), reference.size());
  for (size_t i = 0; i < values.size(); ++i) difference.add(values[i], reference[i]);
  expect_close(difference, tolerance(dtype));
}

struct Norming {
  NormKind kind;
  std::vector<float> scale, shift;  // shift: only of layer norms
};

// Appends the norm of one row.
void append_normed(std::vector<double>& to, std::span<const double> row, const Norming& norm, double eps) {
  const auto width = static_cast<double>(row.size());
  const double mean = norm.kind == NormKind::layer ? std::accumulate(row.begin(), row.end(), 0.0) / width : 0;
  double squares = 0;
  for (const double x : row) squares += (x - mean) * (x - mean);
  const double factor = 1 / std::sqrt(squares / width + eps);
  for (size_t i = 0; i < row.size(); ++i)
    to.push_back((row[i] - mean) * factor * norm.scale[i] + (norm.shift.empty() ? 0 : norm.shift[i]));
}

TEST_F(OpsTest, EmbedAddsTokenPositionAndTypeAndNormsTheSum) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const auto& [tokens, width] : {std::pair<int64_t, int64_t>{300, 768}, {37, 768}, {37, 72}, {300, 33}})
      for (const bool with_rest : {false, true})
        for (const bool normed : {false, true}) {
          const int64_t vocabulary = 101, offset = 2;
          const auto count = static_cast<size_t>(tokens), columns = static_cast<size_t>(width);
          const auto table = random.normal(dtype, static_cast<size_t>(vocabulary) * columns);
          const auto rows = random.normal(dtype, static_cast<size_t>(tokens + offset) * columns);
          const auto type = random.normal(dtype, columns);
          const Norming norm{NormKind::layer, random.normal(dtype, columns), random.normal(dtype, columns)};
          const auto ids = random_integers(random, count, vocabulary),
                     positions = random_integers(random, count, tokens);
          const DeviceArray d_table(dtype, table), d_rows(dtype, rows), d_type(dtype, type), d_scale(dtype, norm.scale),
              d_shift(dtype, norm.shift), y(dtype, count * columns);
          const DeviceArray d_ids = integers(ids), d_positions = integers(positions);
          Embedding embedding{.tokens = tensor(d_table, dtype, {vocabulary, width, 1, 1}),
                              .positions = {},
                              .position_offset = offset,
                              .type = {},
                              .norm = {}};
          if (with_rest) {
            embedding.positions = tensor(d_rows, dtype, {tokens + offset, width, 1, 1});
            embedding.type = tensor(d_type, dtype, {1, width, 1, 1});
          }
          if (normed)
            embedding.norm = {.kind = norm.kind,
                              .eps = 1e-5f,
                              .scale = tensor(d_scale, dtype, {width, 1, 1, 1}),
                              .shift = tensor(d_shift, dtype, {width, 1, 1, 1})};
          launch_embed(nullptr, tensor(y, dtype, {tokens, width, 1, 1}), embedding,
                       tensor(d_ids, Dtype::i32, {tokens, 1, 1, 1}),
                       tensor(d_positions, Dtype::i32, {tokens, 1, 1, 1}));
          std::vector<double> reference;
          for (size_t t = 0; t < count; ++t) {
            std::vector<double> sum;
            for (size_t i = 0; i < columns; ++i) {
              sum.push_back(table[static_cast<size_t>(ids[t]) * columns + i]);
              if (with_rest) sum.back() += rows[static_cast<size_t>(positions[t] + offset) * columns + i] + type[i];
            }
            if (normed)
              append_normed(reference, sum, norm, 1e-5);
            else
              reference.insert(reference.end(), sum.begin(), sum.end());
          }
          compare(y, reference, dtype,
                  fmt::format("{} {} x {} rest {} norm {} seed {}", to_string(dtype), tokens, width, with_rest, normed,
                              random.seed()));
        }
}

TEST_F(OpsTest, NormIsLayerNormOrRmsNorm) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{1024, 768},
                                      {8, 768},
                                      {300, 1024},
                                      {5, 3072},
                                      {1, 4096},
                                      {257, 512},
                                      {9, 13000},
                                      {300, 61},
                                      {3, 250}})
      for (const NormKind kind : {NormKind::layer, NormKind::rms}) {
        if (dtype == Dtype::f32 && width > 8192) continue;
        std::vector<float> x = random.normal(dtype, static_cast<size_t>(rows * width));
        for (float& v : x) v = round_to(dtype, v + 3);  // a mean that is not zero
        Norming norming{kind, random.normal(dtype, static_cast<size_t>(width)), {}};
        if (kind == NormKind::layer) norming.shift = random.normal(dtype, static_cast<size_t>(width));
        const DeviceArray d_x(dtype, x), d_scale(dtype, norming.scale), d_shift(dtype, norming.shift),
            y(dtype, x.size());
        Norm norm{.kind = kind, .eps = 1e-5f, .scale = tensor(d_scale, dtype, {width, 1, 1, 1}), .shift = {}};
        if (kind == NormKind::layer) norm.shift = tensor(d_shift, dtype, {width, 1, 1, 1});
        const Shape shape{rows, width, 1, 1};
        launch_norm(nullptr, tensor(y, dtype, shape), tensor(d_x, dtype, shape), norm);
        std::vector<double> reference;
        for (size_t r = 0, w = static_cast<size_t>(width); r < static_cast<size_t>(rows); ++r)
          append_normed(reference, std::vector<double>(x.data() + r * w, x.data() + (r + 1) * w), norming, 1e-5);
        const std::string what = fmt::format("{} {} x {} kind {} seed {}", to_string(dtype), rows, width,
                                             static_cast<int>(kind), random.seed());
        compare(y, reference, dtype, what);
        launch_norm(nullptr, tensor(d_x, dtype, shape), tensor(d_x, dtype, shape), norm);
        compare(d_x, reference, dtype, what + " in place");
      }
}

TEST_F(OpsTest, ActivationsAndGates) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const Activation activation : activations)
      for (const int64_t width : {3072, 37}) {
        const int64_t rows = 11;
        const auto x = random.normal(dtype, static_cast<size_t>(rows * 2 * width), 3);
        const DeviceArray d_x(dtype, x), gated(dtype, static_cast<size_t>(rows * width));
        launch_gate(nullptr, tensor(gated, dtype, {rows, width, 1, 1}), tensor(d_x, dtype, {rows, 2 * width, 1, 1}),
                    activation);
        std::vector<double> reference, all;
        for (size_t r = 0; r < static_cast<size_t>(rows); ++r)
          for (size_t i = 0, w = static_cast<size_t>(width); i < w; ++i)
            reference.push_back(reference_activation(activation, x[r * 2 * w + i]) * x[r * 2 * w + w + i]);
        const std::string what = fmt::format("{} {} activation {} seed {}", to_string(dtype), width,
                                             static_cast<int>(activation), random.seed());
        compare(gated, reference, dtype, what);
        launch_activation(nullptr, tensor(d_x, dtype, {rows, 2 * width, 1, 1}), activation);
        for (const float value : x) all.push_back(reference_activation(activation, value));
        compare(d_x, all, dtype, what + " alone");
      }
}

TEST_F(OpsTest, LastRowsAreThoseOfEachSequence) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const int64_t width : {768, 30}) {
      const int64_t rows = 5, length = 7;
      const auto x = random.normal(dtype, static_cast<size_t>(rows * length * width));
      const DeviceArray d_x(dtype, x), y(dtype, static_cast<size_t>(rows * width));
      launch_last_rows(nullptr, tensor(y, dtype, {rows, width, 1, 1}),
                       tensor(d_x, dtype, {rows * length, width, 1, 1}));
      std::vector<double> reference;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < width; ++i)
          reference.push_back(x[static_cast<size_t>(((r + 1) * length - 1) * width + i)]);
      compare(y, reference, dtype, to_string(dtype).data());
    }
}

struct HeadCase {
  int64_t rows, length, heads, kv_heads, head_dim;
  bool rope, norms, cache;
};

// What transform_qkv should leave in qkv and, beside it, in a cache of `capacity` positions.
struct Heads {
  std::vector<double> qkv, k, v;
};

class HeadReference {
 public:
  HeadReference(const HeadCase& c, int64_t capacity, const std::vector<float>& rope, const std::vector<float>& q_scale,
                const std::vector<float>& k_scale, double eps)
      : c_(c), capacity_(capacity), rope_(rope), q_scale_(q_scale), k_scale_(k_scale), eps_(eps) {}

  // The head in `values`, at a position.
  void transform(double* values, bool is_q, int64_t position) const {
    const int64_t half = c_.head_dim / 2;
    if (c_.norms) {
      double squares = 0;
      for (int64_t i = 0; i < c_.head_dim; ++i) squares += values[i] * values[i];
      const double factor = 1 / std::sqrt(squares / static_cast<double>(c_.head_dim) + eps_);
      for (int64_t i = 0; i < c_.head_dim; ++i)
        values[i] *= factor * (is_q ? q_scale_ : k_scale_)[static_cast<size_t>(i)];
    }
    if (!c_.rope) return;
    for (int64_t i = 0; i < half; ++i) {
      const auto at = static_cast<size_t>((position * half + i) * 2);
      const double cosine = rope_[at], sine = rope_[at + 1], low = values[i], high = values[i + half];
      values[i] = low * cosine - high * sine;
      values[i + half] = high * cosine + low * sine;
    }
  }

  // `cache` values start as what the cache holds.
  Heads all(const std::vector<float>& qkv, const std::vector<int32_t>& positions, Heads cache) const {
    Heads result = std::move(cache);
    result.qkv.assign(qkv.begin(), qkv.end());
    const int64_t per_token = c_.heads + 2 * c_.kv_heads;
    for (int64_t t = 0; t < c_.rows * c_.length; ++t)
      for (int64_t head = 0; head < per_token; ++head) {
        double* values = result.qkv.data() + (t * per_token + head) * c_.head_dim;
        const bool is_q = head < c_.heads, is_v = head >= c_.heads + c_.kv_heads;
        const int64_t position = positions[static_cast<size_t>(t)];
        if (!is_v) transform(values, is_q, position);
        if (is_q || !c_.cache) continue;
        const int64_t kv_head = (head - c_.heads) % c_.kv_heads;
        const int64_t at = ((t / c_.length * c_.kv_heads + kv_head) * capacity_ + position) * c_.head_dim;
        std::copy(values, values + c_.head_dim, (is_v ? result.v : result.k).begin() + at);
      }
    return result;
  }

 private:
  const HeadCase& c_;
  int64_t capacity_;
  const std::vector<float>&rope_, &q_scale_, &k_scale_;
  double eps_;
};

void check_heads(Random& random, Dtype dtype, const HeadCase& c) {
  const int64_t tokens = c.rows * c.length, capacity = c.length + 3, half = c.head_dim / 2;
  const Attention attention{.heads = c.heads, .kv_heads = c.kv_heads, .head_dim = c.head_dim};
  const auto qkv = random.normal(dtype, static_cast<size_t>(tokens * attention.qkv_width()));
  const auto q_scale = random.normal(dtype, static_cast<size_t>(c.head_dim)),
             k_scale = random.normal(dtype, static_cast<size_t>(c.head_dim));
  const auto rope = random.normal(Dtype::f32, static_cast<size_t>(capacity * c.head_dim));
  const auto before = random.normal(dtype, static_cast<size_t>(c.rows * c.kv_heads * capacity * c.head_dim));
  std::vector<int32_t> positions(static_cast<size_t>(tokens));
  for (size_t t = 0; t < positions.size(); ++t)
    positions[t] = static_cast<int32_t>(t % static_cast<size_t>(c.length)) + 2;

  const DeviceArray d_qkv(dtype, qkv), d_q(dtype, q_scale), d_k(dtype, k_scale), d_rope(Dtype::f32, rope),
      k(dtype, before), v(dtype, before);
  const DeviceArray d_positions = integers(positions);
  QkTransform transform;
  if (c.rope) transform.rope = tensor(d_rope, Dtype::f32, {capacity, half, 2, 1});
  if (c.norms) {
    transform.q_norm = {
        .kind = NormKind::rms, .eps = 1e-6f, .scale = tensor(d_q, dtype, {c.head_dim, 1, 1, 1}), .shift = {}};
    transform.k_norm = {
        .kind = NormKind::rms, .eps = 1e-6f, .scale = tensor(d_k, dtype, {c.head_dim, 1, 1, 1}), .shift = {}};
  }
  KvCache cache;
  const Shape shape{c.rows, c.kv_heads, capacity, c.head_dim};
  if (c.cache) cache = {tensor(k, dtype, shape), tensor(v, dtype, shape)};
  launch_transform_qkv(nullptr, tensor(d_qkv, dtype, {tokens, attention.qkv_width(), 1, 1}),
                       tensor(d_positions, Dtype::i32, {tokens, 1, 1, 1}), transform, cache, attention);

  const std::vector<double> held(before.begin(), before.end());
  const Heads expected = HeadReference(c, capacity, rope, q_scale, k_scale, 1e-6).all(qkv, positions, {{}, held, held});
  const std::string what =
      fmt::format("{} rows {} length {} heads {} of {} rope {} norms {} cache {} seed {}", to_string(dtype), c.rows,
                  c.length, c.heads, c.head_dim, c.rope, c.norms, c.cache, random.seed());
  compare(d_qkv, expected.qkv, dtype, what + ": qkv");
  compare(k, expected.k, dtype, what + ": k");
  compare(v, expected.v, dtype, what + ": v");
}

TEST_F(OpsTest, TransformQkvNormsRotatesAndCaches) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const int64_t head_dim : {6, 8, 12, 32, 64, 80, 96, 128})
      for (const bool norms : {false, true})
        for (const bool cache : {false, true}) {
          check_heads(random, dtype, {2, 9, 6, 2, head_dim, true, norms, cache});
          check_heads(random, dtype, {3, 1, 4, 4, head_dim, false, norms, cache || !norms});
        }
}

TEST_F(OpsTest, ArgmaxIsTheFirstOfTheLargest) {
  Random random;
  for (const Dtype dtype : dtypes)
    for (const auto& [vocabulary, stride] :
         {std::pair<int64_t, int64_t>{50257, 50304}, {128256, 128256}, {97, 97}, {1, 128}}) {
      const int64_t rows = 6;
      std::vector<float> logits = random.normal(dtype, static_cast<size_t>(rows * stride));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = vocabulary; i < stride; ++i) logits[static_cast<size_t>(r * stride + i)] = 1000;  // padding
      std::fill_n(logits.begin() + 2 * stride, vocabulary, -3.0f);                                         // all equal
      if (vocabulary > 1) logits[static_cast<size_t>(3 * stride + vocabulary - 1)] = 50;
      const DeviceArray d_logits(dtype, logits), scratch(Dtype::f32, argmax_scratch_bytes(rows) / 4);
      DeviceArray ids = integers(std::vector<int32_t>(static_cast<size_t>(rows), -1));
      const_cast<DeviceArray&>(scratch).clear();
      std::vector<int32_t> expected;
      for (int64_t r = 0; r < rows; ++r) {
        const auto row = logits.begin() + r * stride;
        expected.push_back(static_cast<int32_t>(std::max_element(row, row + vocabulary) - row));
      }
      for (int repeat = 0; repeat < 2; ++repeat) {
        launch_argmax(nullptr, tensor(ids, Dtype::i32, {rows, 1, 1, 1}), tensor(d_logits, dtype, {rows, stride, 1, 1}),
                      vocabulary, scratch.data());
        EXPECT_EQ(read_integers(ids), expected) << to_string(dtype) << " " << vocabulary << " seed " << random.seed();
      }
    }
}

TEST_F(OpsTest, AdvanceFillsTheRingAndMovesOn) {
  const int64_t rows = 200, slots = 3;
  const PinnedMemory memory = allocate_pinned(static_cast<size_t>(slots * rows + 1) * 4);
  auto* host = static_cast<int32_t*>(memory.get());
  host[0] = 0;
  const TokenRing ring{.slots = {.data = host + 1, .dtype = Dtype::i32, .shape = {slots, rows, 1, 1}},
                       .count = {.data = host, .dtype = Dtype::i32, .shape = {1, 1, 1, 1}}};
  DeviceArray positions(Dtype::i32, static_cast<size_t>(rows));
  const DeviceArray passes = integers({0});
  const Tensor d_positions = tensor(positions, Dtype::i32, {rows, 1, 1, 1});
  launch_set_positions(nullptr, d_positions, 41);
  for (int32_t pass = 0; pass < 7; ++pass) {
    std::vector<int32_t> ids(static_cast<size_t>(rows));
    std::iota(ids.begin(), ids.end(), 1000 * pass);
    const DeviceArray d_ids = integers(ids);
    launch_advance(nullptr, d_positions, tensor(d_ids, Dtype::i32, {rows, 1, 1, 1}), ring,
                   static_cast<int32_t*>(passes.data()));
    COTENANT_CUDA("test", cudaDeviceSynchronize());
    EXPECT_EQ(host[0], pass + 1);
    const int32_t* slot = host + 1 + pass % slots * rows;
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), slot));
  }
  EXPECT_EQ(read_integers(positions), std::vector<int32_t>(static_cast<size_t>(rows), 48));
}

TEST_F(OpsTest, WeightsAreConvertedGeneratedAndTurned) {
  Random random;
  const int64_t rows = 45, columns = 70, total = 50, first = 3;
  const RandomFill fill{.key = 77, .mean = 0.5f, .half_width = 2};
  for (const Dtype from : dtypes)
    for (const Dtype to : dtypes) {
      const auto stored = random.normal(from, static_cast<size_t>(rows * columns));
      const DeviceArray d_stored(from, stored);
      for (const bool generated : {false, true})
        for (const bool transposed : {false, true}) {
          const auto count = static_cast<size_t>(transposed ? columns * total : rows * columns);
          DeviceArray result(to, count);
          result.clear();
          const WeightPlace place{.to = result.data(),
                                  .dtype = to,
                                  .rows = rows,
                                  .columns = columns,
                                  .transposed = transposed,
                                  .first_row = first,
                                  .total_rows = total};
          if (generated)
            launch_generate(nullptr, place, fill);
          else
            launch_convert(nullptr, place, d_stored.data(), from);
          std::vector<float> expected(count, 0.0f);
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < columns; ++c) {
              const auto index = static_cast<size_t>(r * columns + c);
              expected[transposed ? static_cast<size_t>(c * total + first + r) : index] =
                  round_to(to, generated ? random_value(fill, index) : stored[index]);
            }
          EXPECT_EQ(result.read(), expected);
        }
    }
}

}  // namespace
}  // namespace cotenant
