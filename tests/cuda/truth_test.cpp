#include "engine/truth.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <tuple>

#include "device_data.h"

// The CUDA engine against Hugging Face Transformers: in float32 to 1e-4, in half precision to 1.5 times what
// Transformers itself loses there.
namespace cotenant {
namespace {

using namespace truth;

constexpr const char* device = "cuda:0";

class CudaFixture : public SkippedWithoutGpu<testing::TestWithParam<std::string>> {};
class CudaDecoder : public SkippedWithoutGpu<testing::TestWithParam<std::string>> {};

const Setting float32{.device = device, .dtype = Dtype::f32};
const Setting float16{.device = device, .dtype = Dtype::f16};
const Setting bfloat16{.device = device, .dtype = Dtype::bf16};

constexpr double allowed = 1.5;        // times Transformers' own error in the same dtype
constexpr double apart = 2 * allowed;  // of two passes, each of which may have its own error

TEST_P(CudaFixture, LogitsAreTransformersInFloat32) {
  expect_logits(GetParam(), float32, 1e-4);
}

TEST_P(CudaFixture, LosesNoMoreInHalfPrecisionThanTransformers) {
  const Expected expected = read_expected(GetParam());
  expect_logits(GetParam(), float16, allowed * expected.error_float16);
  expect_logits(GetParam(), bfloat16, allowed * expected.error_bfloat16);
}

TEST_P(CudaFixture, RowsAreIndependent) {
  expect_rows_are_independent(GetParam(), float32, 1e-5);
}

TEST_P(CudaFixture, TakesTheMemoryThatWasCounted) {
  expect_memory_as_counted(GetParam(), float16, 0);
}

TEST_P(CudaDecoder, GreedyTokensAreTransformers) {
  expect_greedy_tokens(GetParam(), float32);
}

TEST_P(CudaDecoder, ForcedDecodingIsTransformers) {
  const Expected expected = read_expected(GetParam());
  expect_forced_decoding(GetParam(), float32, 1e-4);
  expect_forced_decoding(GetParam(), float16, allowed * expected.error_float16);
  expect_forced_decoding(GetParam(), bfloat16, allowed * expected.error_bfloat16);
}

TEST_P(CudaDecoder, DecodingAgreesWithForward) {
  expect_decode_agrees_with_forward(GetParam(), float32, 1e-4);
  const Expected expected = read_expected(GetParam());
  expect_decode_agrees_with_forward(GetParam(), float16, apart * expected.error_float16);
  expect_decode_agrees_with_forward(GetParam(), bfloat16, apart * expected.error_bfloat16);
}

TEST_P(CudaDecoder, TakesTheMemoryThatWasCounted) {
  expect_memory_as_counted(GetParam(), float16, 7);
}

// Models that tools/make_fresh_models.py made in the directory COTENANT_FRESH_MODELS names.
class FreshModels : public SkippedWithoutGpu<testing::Test> {
 protected:
  void SetUp() override {
    SkippedWithoutGpu::SetUp();
    const char* directory = std::getenv("COTENANT_FRESH_MODELS");
    if (!directory) GTEST_SKIP() << "COTENANT_FRESH_MODELS names no directory of tools/make_fresh_models.py";
    for (const auto& entry : std::filesystem::directory_iterator(directory)) models_.push_back(entry.path().string());
  }
  std::vector<std::string> models_;
};

// Of a fresh model, the integers of one tensor; empty: it has none.
std::vector<int32_t> integers_of(const std::string& model, const std::string& name) {
  const InputFile file(std::filesystem::path(model) / "expected.safetensors");
  for (const StoredTensor& tensor : read_safetensors(file).tensors)
    if (tensor.name == name) return values_of<int32_t>(file, tensor);
  return {};
}

// Positions at which another token than float64's is the best.
int wrong_choices(const std::vector<float>& logits, int64_t width, const std::vector<int32_t>& choices) {
  int wrong = 0;
  for (size_t t = 0; t < choices.size(); ++t) {
    const auto row = logits.begin() + static_cast<int64_t>(t) * width;
    wrong += std::max_element(row, row + width) - row != choices[t];
  }
  return wrong;
}

TEST_F(FreshModels, AreAsExactAsTransformers) {
  for (const std::string& model : models_) {
    SCOPED_TRACE(model);
    const Expected expected = read_expected(model);
    expect_logits(model, float32, 1e-4);
    expect_logits(model, float16, allowed * expected.error_float16);
    expect_logits(model, bfloat16, allowed * expected.error_bfloat16);
  }
}

TEST_F(FreshModels, DecodeAndChooseLikeTransformers) {
  // Over all models, since a model's few are mostly chance.
  struct Wrong {
    int own = 0, peers = 0;
  };
  std::map<std::string, Wrong> wrong;
  for (const std::string& model : models_) {
    SCOPED_TRACE(model);
    const Expected expected = read_expected(model);
    if (expected.new_length == 0) continue;
    expect_decode_agrees_with_forward(model, float32, 1e-4);
    const std::vector<int32_t> choices = integers_of(model, "choices");
    for (const auto& [setting, error, peers] : {std::tuple{float16, expected.error_float16, "wrong_float16"},
                                                {bfloat16, expected.error_bfloat16, "wrong_bfloat16"}}) {
      expect_decode_agrees_with_forward(model, setting, apart * error);
      expect_forced_decoding(model, setting, allowed * error);
      const auto engine = engine_for(model, setting, expected.rows, expected.length);
      const std::vector<float> logits = forward(*engine, expected.input_ids, expected.rows);
      wrong[peers].own += wrong_choices(logits, expected.width, choices);
      wrong[peers].peers += integers_of(model, peers).at(0);
    }
  }
  // Two counts, each with the variance of a Poisson count: three standard deviations of their difference.
  for (const auto& [dtype, counts] : wrong) {
    const double peers = allowed * counts.peers;
    EXPECT_LE(counts.own, peers + 3 * std::sqrt(counts.own + allowed * peers)) << dtype;
    std::printf("%s: %d of ours, %d of the peer\n", dtype.c_str(), counts.own, counts.peers);
  }
}

const auto name_of = [](const auto& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(Models, CudaFixture, testing::ValuesIn(fixture_names()), name_of);
INSTANTIATE_TEST_SUITE_P(Models, CudaDecoder, testing::ValuesIn(decoder_names()), name_of);

}  // namespace
}  // namespace cotenant
