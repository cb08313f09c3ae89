#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "base/dtype.h"
#include "engine/native/cpu/dispatch.h"

// Every kernel, of every instruction set this machine has and in both dtypes, against a plain loop in float64.
namespace cotenant {
namespace {

// Values as a kernel holds them, and as numbers.
class Values {
 public:
  Values(Dtype dtype, std::vector<float> numbers) : dtype_(dtype), numbers_(std::move(numbers)) {
    for (float& x : numbers_) {
      halves_.push_back(float_to_bf16(x));
      if (dtype == Dtype::bf16) x = bf16_to_float(halves_.back());
    }
  }
  Values(Dtype dtype, int64_t count) : Values(dtype, std::vector<float>(static_cast<size_t>(count), NAN)) {}
  static Values random(Dtype dtype, int64_t count, uint32_t seed, float mean = 0) {
    std::mt19937 generator(seed);
    std::normal_distribution<float> normal(mean);
    std::vector<float> numbers(static_cast<size_t>(count));
    for (float& x : numbers) x = normal(generator);
    return {dtype, std::move(numbers)};
  }

  void* data() { return dtype_ == Dtype::bf16 ? static_cast<void*>(halves_.data()) : numbers_.data(); }
  double operator[](int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return dtype_ == Dtype::bf16 ? bf16_to_float(halves_[at]) : numbers_[at];
  }
  int64_t size() const { return static_cast<int64_t>(numbers_.size()); }

 private:
  Dtype dtype_;
  std::vector<float> numbers_;
  std::vector<uint16_t> halves_;
};

struct Case {
  const Kernels* kernels;
  Dtype dtype;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Kernels* kernels : runnable_kernels())
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) all.push_back({kernels, dtype});
  return all;
}

class CpuKernels : public testing::TestWithParam<Case> {
 protected:
  const Dtype dtype = GetParam().dtype;
  const TypedKernels& kernels = GetParam().kernels->of(dtype);

  Values random(int64_t count, uint32_t seed, float mean = 0) { return Values::random(dtype, count, seed, mean); }
  // A result is rounded once to its dtype; float32 arithmetic before that may be some roundings off.
  void expect_near(const Values& found, const std::function<double(int64_t)>& wanted) {
    const double relative = dtype == Dtype::bf16 ? 0x1p-8 : 4e-6;
    for (int64_t i = 0; i < found.size(); ++i)
      ASSERT_NEAR(found[i], wanted(i), relative * (1 + std::abs(wanted(i)))) << i;
  }
};

TEST_P(CpuKernels, NarrowRoundsToNearestEven) {
  std::vector<float> numbers{0.f, -0.f, 1.f, 0x1.01p0f, 0x1.03p0f, 0x1.018p0f, -3.14159f, 1e30f, 0x1p-140f, INFINITY};
  const Values source = Values::random(Dtype::f32, 37, 1);
  for (int64_t i = 0; i < source.size(); ++i) numbers.push_back(static_cast<float>(source[i]));
  Values found(dtype, static_cast<int64_t>(numbers.size()));
  kernels.narrow(found.data(), numbers.data(), found.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    const float wanted = dtype == Dtype::bf16 ? bf16_to_float(float_to_bf16(numbers[i])) : numbers[i];
    EXPECT_EQ(found[static_cast<int64_t>(i)], wanted) << numbers[i];
  }
}

TEST_P(CpuKernels, NarrowKeepsNaN) {
  const std::vector<float> numbers(20, std::numeric_limits<float>::quiet_NaN());
  Values found(dtype, std::vector<float>(20, 0));
  kernels.narrow(found.data(), numbers.data(), found.size());
  for (int64_t i = 0; i < found.size(); ++i) EXPECT_TRUE(std::isnan(found[i]));
}

TEST_P(CpuKernels, EmbedAddsTokenPositionAndType) {
  const int64_t hidden = 21, tokens = 5, offset = 2;
  Values table = random(7 * hidden, 1), positions = random(9 * hidden, 2), type = random(hidden, 3);
  const std::vector<int32_t> ids{3, 0, 6, 3, 1}, position_of{0, 1, 2, 0, 6};
  Values y(dtype, tokens * hidden);
  kernels.embed({.y = y.data(),
                 .tokens = table.data(),
                 .positions = positions.data(),
                 .type = type.data(),
                 .ids = ids.data(),
                 .position_of = position_of.data(),
                 .position_offset = offset,
                 .hidden = hidden},
                0, tokens);
  expect_near(y, [&](int64_t i) {
    const auto t = static_cast<size_t>(i / hidden);
    return table[ids[t] * hidden + i % hidden] + positions[(position_of[t] + offset) * hidden + i % hidden] +
           type[i % hidden];
  });
}

TEST_P(CpuKernels, NormsOfBothKinds) {
  const int64_t rows = 3, width = 53;
  for (const NormKind kind : {NormKind::layer, NormKind::rms}) {
    Values x = random(rows * width, 1, 3), scale = random(width, 2, 1), shift = random(width, 3);
    Values y(dtype, rows * width);
    const bool shifted = kind == NormKind::layer;
    kernels.norm({.y = y.data(),
                  .x = x.data(),
                  .kind = kind,
                  .eps = 1e-3f,
                  .scale = scale.data(),
                  .shift = shifted ? shift.data() : nullptr,
                  .width = width},
                 0, rows);
    expect_near(y, [&](int64_t i) {
      const int64_t row = i / width * width;
      double mean = 0, variance = 0;
      for (int64_t k = 0; shifted && k < width; ++k) mean += x[row + k] / static_cast<double>(width);
      for (int64_t k = 0; k < width; ++k) variance += std::pow(x[row + k] - mean, 2) / static_cast<double>(width);
      return (x[i] - mean) / std::sqrt(variance + double{1e-3f}) * scale[i % width] + (shifted ? shift[i % width] : 0);
    });
  }
}

TEST_P(CpuKernels, GateIsSiluTimesUp) {
  const int64_t rows = 2, width = 45;
  Values x = random(rows * 2 * width, 1);
  Values y(dtype, rows * width);
  kernels.gate_silu({.y = y.data(), .x = x.data(), .width = width}, 0, rows);
  expect_near(y, [&](int64_t i) {
    const int64_t at = i / width * 2 * width + i % width;
    return x[at] / (1 + std::exp(-x[at])) * x[at + width];
  });
}

TEST_P(CpuKernels, GateOfLargeValuesIsFinite) {
  std::vector<float> numbers(2 * 32, 1.f);
  for (size_t i = 0; i < 32; ++i) numbers[i] = i % 2 ? 300.f : -300.f;
  Values x(dtype, numbers), y(dtype, 32);
  kernels.gate_silu({.y = y.data(), .x = x.data(), .width = 32}, 0, 1);
  for (int64_t i = 0; i < 32; ++i) EXPECT_NEAR(y[i], i % 2 ? 300 : 0, 1.5);
}

TEST_P(CpuKernels, TransformRotatesAndFillsTheCache) {
  const int64_t rows = 2, per_row = 2, tokens = rows * per_row, heads = 3, kv_heads = 1, d = 10, capacity = 6;
  const int64_t width = (heads + 2 * kv_heads) * d;
  Values qkv = random(tokens * width, 1);
  const Values before = qkv;
  const Values table = Values::random(Dtype::f32, capacity * d, 2);
  std::vector<float> rope;
  for (int64_t i = 0; i < table.size(); ++i) rope.push_back(static_cast<float>(table[i]));
  const std::vector<int32_t> position_of{0, 1, 3, 4}, row_of{1, 0};  // the sequences' rows of the cache
  Values k(dtype, rows * kv_heads * capacity * d), v(dtype, rows * kv_heads * capacity * d);
  kernels.transform_qkv({.qkv = qkv.data(),
                         .position_of = position_of.data(),
                         .rope = rope.data(),
                         .q_norm = nullptr,
                         .k_norm = nullptr,
                         .eps = 0,
                         .k_cache = k.data(),
                         .v_cache = v.data(),
                         .capacity = capacity,
                         .cache_rows = {.tokens_per_sequence = per_row, .row_of = row_of.data()},
                         .heads = heads,
                         .kv_heads = kv_heads,
                         .head_dim = d},
                        0, tokens);
  expect_near(qkv, [&](int64_t i) {
    const int64_t at = i % width, e = at % d, half = e % (d / 2);
    if (at >= (heads + kv_heads) * d) return before[i];
    const size_t pair = static_cast<size_t>(position_of[static_cast<size_t>(i / width)] * d + 2 * half);
    const double c = rope[pair], s = rope[pair + 1];
    return e < d / 2 ? before[i] * c - before[i + d / 2] * s : before[i] * c + before[i - d / 2] * s;
  });
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t e = 0; e < d; ++e) {
      const int64_t row = row_of[static_cast<size_t>(t / per_row)];
      const int64_t cached = (row * capacity + position_of[static_cast<size_t>(t)]) * d + e;
      EXPECT_EQ(k[cached], qkv[t * width + heads * d + e]);
      EXPECT_EQ(v[cached], qkv[t * width + (heads + kv_heads) * d + e]);
    }
}

TEST_P(CpuKernels, TransformNormsEachHeadOfQueryAndKey) {
  const int64_t heads = 2, kv_heads = 1, d = 18, width = (heads + 2 * kv_heads) * d;
  Values qkv = random(width, 1), q_norm = random(d, 2, 1), k_norm = random(d, 3, 1);
  const Values before = qkv;
  const int32_t position = 0;
  kernels.transform_qkv({.qkv = qkv.data(),
                         .position_of = &position,
                         .rope = nullptr,
                         .q_norm = q_norm.data(),
                         .k_norm = k_norm.data(),
                         .eps = 1e-6f,
                         .k_cache = nullptr,
                         .v_cache = nullptr,
                         .capacity = 0,
                         .heads = heads,
                         .kv_heads = kv_heads,
                         .head_dim = d},
                        0, 1);
  expect_near(qkv, [&](int64_t i) {
    if (i >= (heads + kv_heads) * d) return before[i];
    double square = 0;
    for (int64_t e = 0; e < d; ++e) square += std::pow(before[i / d * d + e], 2) / static_cast<double>(d);
    return before[i] / std::sqrt(square + 1e-6) * (i < heads * d ? q_norm : k_norm)[i % d];
  });
}

TEST_P(CpuKernels, ArgmaxIsTheFirstOfTheLargest) {
  for (const int64_t count : {1, 7, 100, 1003}) {
    Values x = random(count, static_cast<uint32_t>(count));
    int64_t best = 0;
    for (int64_t i = 1; i < count; ++i)
      if (x[i] > x[best]) best = i;
    EXPECT_EQ(kernels.argmax(x.data(), count), best);
  }
  Values equal(dtype, std::vector<float>(77, -2.f));
  EXPECT_EQ(kernels.argmax(equal.data(), 77), 0);
}

TEST_P(CpuKernels, RandomFillIsTheFormula) {
  const RandomFill fill{.key = 0x1234567890abcdef, .mean = 0.5f, .half_width = 0.25f};
  std::vector<float> found(77);
  GetParam().kernels->fill_random(fill, 1'000'003, 77, found.data());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_FLOAT_EQ(found[i], random_value(fill, 1'000'003 + i));
}

// ---- attention ----

struct Shape {
  int64_t length, heads, kv_heads, head_dim;
  bool causal;
  int64_t window;
};

// What query `query` of `head` gathers from keys and values that `key(j)[e]` and `value(j)[e]` name.
using Element = std::function<double(int64_t j, int64_t e)>;
std::vector<double> plain_attention(const std::function<double(int64_t)>& q, const Element& key, const Element& value,
                                    int64_t first, int64_t last, int64_t head_dim) {
  std::vector<double> weights, output(static_cast<size_t>(head_dim));
  double total = 0, best = -INFINITY;
  for (int64_t j = first; j < last; ++j) {
    double score = 0;
    for (int64_t e = 0; e < head_dim; ++e) score += q(e) * key(j, e);
    weights.push_back(score / std::sqrt(static_cast<double>(head_dim)));
    best = std::max(best, weights.back());
  }
  for (double& w : weights) total += w = std::exp(w - best);
  for (int64_t j = first; j < last; ++j)
    for (int64_t e = 0; e < head_dim; ++e)
      output[static_cast<size_t>(e)] += weights[static_cast<size_t>(j - first)] / total * value(j, e);
  return output;
}

const std::vector<Shape> shapes{
    {13, 3, 3, 12, true, 0},  {13, 4, 1, 20, false, 0},  {128, 2, 2, 64, true, 0},  {150, 2, 1, 33, true, 0},
    {150, 2, 2, 8, false, 0}, {300, 2, 1, 16, true, 70}, {130, 1, 1, 128, true, 5}, {1, 2, 2, 16, true, 0},
    {65, 1, 1, 16, true, 1},  {257, 1, 1, 48, false, 0},
};

TEST_P(CpuKernels, AttendIsSoftmaxOfScores) {
  for (const Shape& s : shapes) {
    const int64_t rows = 2, d = s.head_dim, width = (s.heads + 2 * s.kv_heads) * d;
    Values qkv = random(rows * s.length * width, 5);
    Values y(dtype, rows * s.length * s.heads * d);
    std::vector<float> scratch(static_cast<size_t>(attend_floats(d)), NAN);
    const AttendArgs args{.y = y.data(),
                          .qkv = qkv.data(),
                          .length = s.length,
                          .heads = s.heads,
                          .kv_heads = s.kv_heads,
                          .head_dim = d,
                          .causal = s.causal,
                          .window = s.window,
                          .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(d)))};
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t head = 0; head < s.heads; ++head)
        for (int64_t first = 0; first < s.length; first += attend_queries)
          kernels.attend(args, row, head, first, std::min(first + attend_queries, s.length), scratch.data());

    for (int64_t row = 0; row < rows; ++row)
      for (int64_t head = 0; head < s.heads; ++head)
        for (int64_t i = 0; i < s.length; ++i) {
          const auto element = [&](int64_t token, int64_t h, int64_t e) {
            return qkv[(row * s.length + token) * width + h * d + e];
          };
          const int64_t kv = s.heads + head / (s.heads / s.kv_heads);
          const auto wanted = plain_attention(
              [&](int64_t e) { return element(i, head, e); }, [&](int64_t j, int64_t e) { return element(j, kv, e); },
              [&](int64_t j, int64_t e) { return element(j, kv + s.kv_heads, e); },
              s.window ? std::max<int64_t>(0, i - s.window + 1) : 0, s.causal ? i + 1 : s.length, d);
          for (int64_t e = 0; e < d; ++e)
            ASSERT_NEAR(y[((row * s.length + i) * s.heads + head) * d + e], wanted[static_cast<size_t>(e)],
                        dtype == Dtype::bf16 ? 2e-2 : 1e-5)
                << "length " << s.length << " query " << i << " element " << e;
        }
  }
}

TEST_P(CpuKernels, AttendCachedSeesThePositionsSoFar) {
  for (const Shape& s : shapes) {
    const int64_t rows = 2, d = s.head_dim, width = (s.heads + 2 * s.kv_heads) * d, capacity = s.length + 3;
    Values qkv = random(rows * width, 5);
    Values k = random(rows * s.kv_heads * capacity * d, 6), v = random(rows * s.kv_heads * capacity * d, 7);
    Values y(dtype, rows * s.heads * d);
    std::vector<float> scratch(static_cast<size_t>(capacity + d), NAN);
    const std::vector<int32_t> position_of{static_cast<int32_t>(s.length - 1), static_cast<int32_t>(s.length / 2)};
    const AttendCachedArgs args{.y = y.data(),
                                .qkv = qkv.data(),
                                .k_cache = k.data(),
                                .v_cache = v.data(),
                                .capacity = capacity,
                                .position_of = position_of.data(),
                                .heads = s.heads,
                                .kv_heads = s.kv_heads,
                                .head_dim = d,
                                .window = s.window,
                                .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(d)))};
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t kv = 0; kv < s.kv_heads; ++kv) kernels.attend_cached(args, row, kv, scratch.data());

    for (int64_t row = 0; row < rows; ++row)
      for (int64_t head = 0; head < s.heads; ++head) {
        const int64_t position = position_of[static_cast<size_t>(row)];
        const int64_t at = (row * s.kv_heads + head / (s.heads / s.kv_heads)) * capacity * d;
        const auto wanted =
            plain_attention([&](int64_t e) { return qkv[row * width + head * d + e]; },
                            [&](int64_t j, int64_t e) { return k[at + j * d + e]; },
                            [&](int64_t j, int64_t e) { return v[at + j * d + e]; },
                            s.window ? std::max<int64_t>(0, position - s.window + 1) : 0, position + 1, d);
        for (int64_t e = 0; e < d; ++e)
          ASSERT_NEAR(y[(row * s.heads + head) * d + e], wanted[static_cast<size_t>(e)],
                      dtype == Dtype::bf16 ? 2e-2 : 1e-5)
              << "length " << s.length << " element " << e;
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, CpuKernels, testing::ValuesIn(cases()), [](const auto& info) {
  return std::string(info.param.kernels->name) + "_" + std::string(to_string(info.param.dtype));
});

}  // namespace
}  // namespace cotenant
