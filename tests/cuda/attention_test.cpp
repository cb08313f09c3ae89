#include <fmt/format.h>

#include <algorithm>

#include "device_data.h"
#include "engine/native/cuda/attention_decode.h"
#include "engine/native/cuda/attention_prefill.h"
#include "engine/native/cuda/attention_prefill_paths.h"
#include "engine/native/cuda/qkv_transform.h"

namespace cotenant {
namespace {

using AttentionPrefillTest = OnGpu;
using AttentionDecodeTest = OnGpu;

std::string text(Dtype dtype, int64_t rows, int64_t length, const Attention& a) {
  return fmt::format("{} {} x {}, {}/{} heads x {}, causal {}, window {}", to_string(dtype), rows, length, a.heads,
                     a.kv_heads, a.head_dim, a.causal, a.window);
}

Attention make_attention(int64_t heads, int64_t kv_heads, int64_t head_dim, bool causal = true, int64_t window = 0) {
  return {.heads = heads,
          .kv_heads = kv_heads,
          .head_dim = head_dim,
          .causal = causal,
          .window = window,
          .scale = 1 / std::sqrt(static_cast<float>(head_dim))};
}

// One query against keys and values first..last. key(i) and value(i) give the first element of a head_dim-long vector.
template <typename Key, typename Value>
std::vector<double> attend(const float* q, Key&& key, Value&& value, int64_t first, int64_t last, const Attention& a) {
  std::vector<double> scores;
  for (int64_t k = first; k <= last; ++k) {
    double score = 0;
    for (int64_t d = 0; d < a.head_dim; ++d) score += static_cast<double>(q[d]) * key(k)[d];
    scores.push_back(score * a.scale);
  }
  const double maximum = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  std::vector<double> output(static_cast<size_t>(a.head_dim));
  for (int64_t k = first; k <= last; ++k) {
    const double weight = std::exp(scores[static_cast<size_t>(k - first)] - maximum);
    sum += weight;
    for (int64_t d = 0; d < a.head_dim; ++d) output[static_cast<size_t>(d)] += weight * value(k)[d];
  }
  for (double& o : output) o /= sum;
  return output;
}

int64_t first_seen(int64_t query, const Attention& a) {
  return a.window > 0 ? std::max<int64_t>(0, query - a.window + 1) : 0;
}

using Kernel = void (*)(cudaStream_t, Dtype, const PrefillArguments&);

// Of one of the kernels, or of the one that is chosen for the shape.
void check_prefill(Random& random, Dtype dtype, int64_t rows, int64_t length, const Attention& a,
                   Kernel kernel = nullptr) {
  SCOPED_TRACE(text(dtype, rows, length, a));
  // Scores of some deviation, so that the softmax is neither flat nor a single key.
  const std::vector<float> qkv = random.normal(dtype, static_cast<size_t>(rows * length * a.qkv_width()), 1.5f);
  const DeviceArray device_qkv(dtype, qkv), device_y(dtype, static_cast<size_t>(rows * length * a.width()));
  if (kernel) {
    kernel(nullptr, dtype, make_prefill_arguments(device_y.data(), device_qkv.data(), rows, length, a));
  } else {
    launch_attention_prefill(nullptr, dtype, device_y.data(), device_qkv.data(), rows, length, a);
  }
  const std::vector<float> y = device_y.read();
  for (const float value : y) ASSERT_TRUE(std::isfinite(value));

  Difference difference;
  const int64_t stride = length > 300 ? 41 : 1;  // long sequences: some of the queries, the last always
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t h = 0; h < a.heads; ++h)
      for (int64_t query = (length - 1) % stride; query < length; query += stride) {
        const float* row = qkv.data() + r * length * a.qkv_width();
        const int64_t kv_head = h / (a.heads / a.kv_heads);
        const auto key = [&](int64_t k) { return row + k * a.qkv_width() + (a.heads + kv_head) * a.head_dim; };
        const auto value = [&](int64_t k) { return key(k) + a.kv_heads * a.head_dim; };
        const std::vector<double> expected = attend(row + query * a.qkv_width() + h * a.head_dim, key, value,
                                                    first_seen(query, a), a.causal ? query : length - 1, a);
        const float* actual = y.data() + ((r * length + query) * a.heads + h) * a.head_dim;
        for (size_t d = 0; d < expected.size(); ++d) difference.add(actual[d], expected[d]);
      }
  expect_close(difference, tolerance(dtype));
}

// The sequences of a batch in pieces of `piece` tokens, with their keys and values in rows of a longer cache that lie
// elsewhere, against the whole batch. The last piece goes beyond the sequence, and what it gets there means nothing.
void check_pieces(Random& random, Dtype dtype, int64_t length, int64_t piece, const Attention& a) {
  constexpr int64_t rows = 2, cache_rows = 3;
  constexpr int32_t row_in_cache[rows] = {2, 0};
  SCOPED_TRACE(text(dtype, rows, length, a) + fmt::format(", pieces of {}", piece));
  const int64_t capacity = length + 3, pieces = (length + piece - 1) / piece, width = a.qkv_width();
  const std::vector<float> qkv = random.normal(dtype, static_cast<size_t>(rows * length * width), 1.5f);
  const DeviceArray device_qkv(dtype, qkv), whole(dtype, static_cast<size_t>(rows * length * a.width()));
  launch_attention_prefill(nullptr, dtype, whole.data(), device_qkv.data(), rows, length, a);

  std::vector<float> k(static_cast<size_t>(cache_rows * a.kv_heads * capacity * a.head_dim), 1), v = k;
  std::vector<float> in_pieces(static_cast<size_t>(rows * pieces * piece * width));
  std::vector<float> positions, row_of;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t t = 0; t < length; ++t) {
      const auto token = qkv.begin() + (r * length + t) * width;
      std::copy_n(token, width, in_pieces.begin() + (r * pieces * piece + t) * width);
      for (int64_t h = 0; h < a.kv_heads; ++h) {
        const int64_t at = ((row_in_cache[r] * a.kv_heads + h) * capacity + t) * a.head_dim;
        std::copy_n(token + (a.heads + h) * a.head_dim, a.head_dim, k.begin() + at);
        std::copy_n(token + (a.heads + a.kv_heads + h) * a.head_dim, a.head_dim, v.begin() + at);
      }
    }
    for (int64_t t = 0; t < pieces * piece; ++t) positions.push_back(static_cast<float>(std::min(t, capacity - 1)));
    row_of.insert(row_of.end(), static_cast<size_t>(pieces), static_cast<float>(row_in_cache[r]));
  }
  const int64_t tokens = rows * pieces * piece;
  const DeviceArray device_k(dtype, k), device_v(dtype, v), device_pieces(dtype, in_pieces);
  const DeviceArray y(dtype, static_cast<size_t>(tokens * a.width()));
  const DeviceArray device_positions(Dtype::i32, positions), device_rows(Dtype::i32, row_of);
  const auto tensor = [&](void* data, Dtype type, Shape shape) {
    return Tensor{.data = data, .dtype = type, .shape = shape};
  };
  launch_attention_pieces(nullptr, dtype, tensor(y.data(), dtype, {tokens, a.width(), 1, 1}),
                          tensor(device_pieces.data(), dtype, {tokens, width, 1, 1}),
                          {.k = tensor(device_k.data(), dtype, {cache_rows, a.kv_heads, capacity, a.head_dim}),
                           .v = tensor(device_v.data(), dtype, {cache_rows, a.kv_heads, capacity, a.head_dim}),
                           .row_of = tensor(device_rows.data(), Dtype::i32, {rows * pieces, 1, 1, 1})},
                          tensor(device_positions.data(), Dtype::i32, {tokens, 1, 1, 1}), a);
  const std::vector<float> found = y.read(), wanted = whole.read();
  Difference difference;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < length * a.width(); ++i)
      difference.add(found[static_cast<size_t>(r * pieces * piece * a.width() + i)],
                     wanted[static_cast<size_t>(r * length * a.width() + i)]);
  expect_close(difference, tolerance(dtype));
}

constexpr Dtype all_dtypes[] = {Dtype::f32, Dtype::f16, Dtype::bf16};
constexpr int64_t all_lengths[] = {1, 7, 63, 64, 65, 127, 128, 129, 200, 513};
constexpr int64_t head_dims[] = {8, 12, 16, 24, 32, 64, 80, 96, 128};

TEST_F(AttentionPrefillTest, EveryHeadDimAndLength) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t head_dim : head_dims)
      for (const int64_t length : all_lengths)
        for (const bool causal : {true, false})
          check_prefill(random, dtype, length < 130 ? 2 : 1, length, make_attention(2, 1, head_dim, causal));
}

TEST_F(AttentionPrefillTest, GroupedHeads) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t kv_heads : {1, 2, 3, 4, 6, 12})
      check_prefill(random, dtype, 3, 77, make_attention(12, kv_heads, 64));
}

TEST_F(AttentionPrefillTest, Windows) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t head_dim : {64, 80, 128})
      for (const int64_t window : {1, 2, 63, 64, 65, 100, 500, 5000})
        for (const int64_t length : {1, 129, 513})
          check_prefill(random, dtype, 1, length, make_attention(2, 2, head_dim, true, window));
}

TEST_F(AttentionPrefillTest, LongSequences) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t head_dim : {64, 128})
      for (const int64_t length : {2048, 2000})
        for (const bool causal : {true, false})
          check_prefill(random, dtype, 1, length, make_attention(4, 1, head_dim, causal));
}

TEST_F(AttentionPrefillTest, PiecesOfSequencesInTheCache) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t head_dim : {16, 64, 80, 128})
      for (const int64_t window : {0, 1, 50})
        for (const auto& [length, piece] :
             {std::pair<int64_t, int64_t>{150, 64}, {128, 64}, {9, 4}, {200, 200}, {65, 1}})
          check_pieces(random, dtype, length, piece, make_attention(6, 2, head_dim, true, window));
}

// Each kernel with shapes that another one may be chosen for.
TEST_F(AttentionPrefillTest, EveryKernel) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const int64_t head_dim : {64, 128})
      for (const int64_t length : {1, 64, 100, 129, 300, 513})
        for (const auto& [causal, window] : {std::pair<bool, int64_t>{true, 0}, {false, 0}, {true, 1}, {true, 130}}) {
          const Attention a = make_attention(6, 2, head_dim, causal, window);
          check_prefill(random, dtype, 2, length, a, launch_attention_prefill_plain);
          check_prefill(random, dtype, 2, length, a, launch_attention_prefill_mma);
          if (attention_prefill_hopper_supported(dtype, make_prefill_arguments(nullptr, nullptr, 2, length, a)))
            check_prefill(random, dtype, 2, length, a, launch_attention_prefill_hopper);
        }
}

// One a row: the first, the last, or any.
std::vector<float> random_positions(Random& random, int64_t rows, int64_t capacity) {
  std::vector<float> positions;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t edges[] = {0, capacity - 1, random.between(0, capacity - 1)};
    positions.push_back(static_cast<float>(edges[random.between(0, 2)]));
  }
  return positions;
}

void check_decode(Random& random, Dtype dtype, int64_t rows, int64_t capacity, const Attention& a) {
  SCOPED_TRACE(text(dtype, rows, capacity, a));
  const std::vector<float> qkv = random.normal(dtype, static_cast<size_t>(rows * a.qkv_width()), 1.5f);
  const auto cache_size = static_cast<size_t>(rows * a.kv_heads * capacity * a.head_dim);
  std::vector<float> k = random.normal(dtype, cache_size, 1.5f), v = random.normal(dtype, cache_size);
  const DeviceArray device_qkv(dtype, qkv), device_y(dtype, static_cast<size_t>(rows * a.width()));
  DeviceArray device_k(dtype, cache_size), device_v(dtype, cache_size);
  DeviceArray device_positions(Dtype::i32, static_cast<size_t>(rows));
  const KvCache cache{.k = {device_k.data(), dtype, {rows, a.kv_heads, capacity, a.head_dim}},
                      .v = {device_v.data(), dtype, {rows, a.kv_heads, capacity, a.head_dim}}};
  const size_t workspace_bytes = attention_decode_workspace_bytes(rows, a, capacity);
  DeviceArray workspace(Dtype::f32, (workspace_bytes + 3) / 4);
  workspace.clear();

  // More than once: a launch must leave the workspace ready for the next, whatever the positions are.
  for (int launch = 0; launch < 3; ++launch) {
    const std::vector<float> positions = random_positions(random, rows, capacity);
    device_positions.write(positions);
    // What lies behind a row's position was never written.
    std::vector<float> k_written = k, v_written = v;
    for (int64_t i = 0; i < static_cast<int64_t>(cache_size); ++i) {
      const int64_t position = i / a.head_dim % capacity, r = i / a.head_dim / capacity / a.kv_heads;
      if (position > static_cast<int64_t>(positions[static_cast<size_t>(r)]))
        k_written[static_cast<size_t>(i)] = v_written[static_cast<size_t>(i)] = NAN;
    }
    device_k.write(k_written);
    device_v.write(v_written);
    launch_attention_decode(nullptr, dtype, device_y.data(), device_qkv.data(), cache,
                            static_cast<const int32_t*>(device_positions.data()), a, workspace.data());
    const std::vector<float> y = device_y.read();
    workspace.read();

    Difference difference;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t h = 0; h < a.heads; ++h) {
        const int64_t kv_head = h / (a.heads / a.kv_heads);
        const auto position = static_cast<int64_t>(positions[static_cast<size_t>(r)]);
        const auto offset = [&](int64_t i) { return ((r * a.kv_heads + kv_head) * capacity + i) * a.head_dim; };
        const std::vector<double> expected = attend(
            qkv.data() + r * a.qkv_width() + h * a.head_dim, [&](int64_t i) { return k.data() + offset(i); },
            [&](int64_t i) { return v.data() + offset(i); }, first_seen(position, a), position, a);
        for (size_t d = 0; d < expected.size(); ++d)
          difference.add(y[static_cast<size_t>((r * a.heads + h) * a.head_dim) + d], expected[d]);
      }
    expect_close(difference, tolerance(dtype));
  }
}

TEST_F(AttentionDecodeTest, EveryHeadDimAndCapacity) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t head_dim : head_dims)
      for (const int64_t capacity : {1, 7, 128, 192, 257, 600})
        check_decode(random, dtype, 2, capacity, make_attention(4, 2, head_dim));
}

TEST_F(AttentionDecodeTest, EveryNumberOfRowsAndGroup) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t sharing : {1, 2, 3, 4, 5, 7, 8, 9, 12})
      for (const int64_t rows : {1, 3, 8, 16}) {
        check_decode(random, dtype, rows, 100, make_attention(2 * sharing, 2, 64));
        check_decode(random, dtype, rows, 300, make_attention(sharing, 1, 128));
      }
}

TEST_F(AttentionDecodeTest, Windows) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t window : {1, 2, 64, 300, 5000})
      for (const int64_t capacity : {5, 200, 1500})
        check_decode(random, dtype, 2, capacity, make_attention(8, 2, 128, true, window));
}

TEST_F(AttentionDecodeTest, LongCaches) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : all_dtypes)
    for (const int64_t rows : {1, 2}) check_decode(random, dtype, rows, 4096, make_attention(8, 2, 128));
}

// The kernel that transforms heads on its way against the two kernels that do one after the other: the same to the bit,
// but for the sums of a norm, whose terms have another order.
void check_transforming(Random& random, Dtype dtype, int64_t rows, int64_t capacity, const Attention& a, bool rotates,
                        bool norms) {
  SCOPED_TRACE(text(dtype, rows, capacity, a) + (rotates ? " rope" : "") + (norms ? " norms" : ""));
  const auto cache_size = static_cast<size_t>(rows * a.kv_heads * capacity * a.head_dim);
  const std::vector<float> qkv = random.normal(dtype, static_cast<size_t>(rows * a.qkv_width()), 1.5f);
  const std::vector<float> k = random.normal(dtype, cache_size, 1.5f), v = random.normal(dtype, cache_size);
  const DeviceArray rope(Dtype::f32, random.normal(Dtype::f32, static_cast<size_t>(capacity * a.head_dim))),
      q_scale(dtype, random.normal(dtype, static_cast<size_t>(a.head_dim))),
      k_scale(dtype, random.normal(dtype, static_cast<size_t>(a.head_dim)));
  QkTransform transform;
  if (rotates) transform.rope = {rope.data(), Dtype::f32, {capacity, a.head_dim / 2, 2, 1}};
  if (norms) {
    transform.q_norm = {
        .kind = NormKind::rms, .eps = 1e-6f, .scale = {q_scale.data(), dtype, {a.head_dim, 1, 1, 1}}, .shift = {}};
    transform.k_norm = {
        .kind = NormKind::rms, .eps = 1e-6f, .scale = {k_scale.data(), dtype, {a.head_dim, 1, 1, 1}}, .shift = {}};
  }
  ASSERT_TRUE(attention_decode_transforms(dtype, a, transform));
  DeviceArray positions(Dtype::i32, static_cast<size_t>(rows));
  const Tensor positions_tensor{positions.data(), Dtype::i32, {rows, 1, 1, 1}};
  DeviceArray workspace(Dtype::f32, (attention_decode_workspace_bytes(rows, a, capacity) + 3) / 4);
  workspace.clear();
  for (int launch = 0; launch < 3; ++launch) {
    positions.write(random_positions(random, rows, capacity));
    std::vector<float> found[2][3];  // y, k, v; of one kernel and of two
    for (const bool in_one : {true, false}) {
      DeviceArray y(dtype, static_cast<size_t>(rows * a.width()));
      const DeviceArray d_qkv(dtype, qkv), d_k(dtype, k), d_v(dtype, v);
      const Shape shape{rows, a.kv_heads, capacity, a.head_dim};
      const KvCache cache{.k = {d_k.data(), dtype, shape}, .v = {d_v.data(), dtype, shape}};
      if (!in_one)
        launch_transform_qkv(nullptr, {d_qkv.data(), dtype, {rows, a.qkv_width(), 1, 1}}, positions_tensor, transform,
                             cache, a);
      launch_attention_decode(nullptr, dtype, y.data(), d_qkv.data(), cache,
                              static_cast<const int32_t*>(positions.data()), a, workspace.data(),
                              in_one ? &transform : nullptr);
      found[in_one][0] = y.read();
      found[in_one][1] = d_k.read();
      found[in_one][2] = d_v.read();
    }
    for (int i = 0; i < 3; ++i) {
      SCOPED_TRACE(i == 0 ? "y" : i == 1 ? "k" : "v");
      if (!norms) {
        EXPECT_EQ(found[0][i], found[1][i]);
        continue;
      }
      Difference difference;
      for (size_t j = 0; j < found[0][i].size(); ++j) difference.add(found[1][i][j], found[0][i][j]);
      expect_close(difference, tolerance(dtype));
    }
  }
}

TEST_F(AttentionDecodeTest, TransformsHeadsOnTheWay) {
  Random random;
  SCOPED_TRACE(fmt::format("seed {}", random.seed()));
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16})
    for (const int64_t capacity : {1, 40, 300, 1100})
      for (const int64_t window : {0, 70}) {
        for (const int64_t head_dim : {64, 128})
          for (const auto& [rotates, norms] : {std::pair{true, false}, {true, true}, {false, true}})
            check_transforming(random, dtype, 3, capacity, make_attention(6, 2, head_dim, true, window), rotates,
                               norms);
        for (const int64_t head_dim : {32, 80, 96, 64})
          check_transforming(random, dtype, 2, capacity, make_attention(20, 2, head_dim, true, window), false, false);
      }
}

}  // namespace
}  // namespace cotenant
