#include "engine/truth.h"

#include <gtest/gtest.h>

#include "device_data.h"

// The CUDA engine against Hugging Face Transformers: in float32 as closely as the CPU's, in half precision as closely
// as half precision allows (tools/gpu_truth.py compares that with Transformers' own error).
namespace cotenant {
namespace {

using namespace truth;

constexpr const char* device = "cuda:0";

template <typename Base>
class SkippedWithoutGpu : public Base {
 protected:
  void SetUp() override {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) GTEST_SKIP() << "there is no CUDA device";
  }
};

class CudaFixture : public SkippedWithoutGpu<testing::TestWithParam<std::string>> {};
class CudaDecoder : public SkippedWithoutGpu<testing::TestWithParam<std::string>> {};

const Setting float32{.device = device, .dtype = Dtype::f32};
const Setting float16{.device = device, .dtype = Dtype::f16};
const Setting bfloat16{.device = device, .dtype = Dtype::bf16};

TEST_P(CudaFixture, LogitsAreTransformersInFloat32) {
  expect_logits(GetParam(), float32, 1e-4);
}

TEST_P(CudaFixture, LogitsAreNearTransformersInHalfPrecision) {
  expect_logits(GetParam(), float16, 5e-3);
  expect_logits(GetParam(), bfloat16, 4e-2);
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

TEST_P(CudaDecoder, DecodingAgreesWithForward) {
  expect_decode_agrees_with_forward(GetParam(), float32, 1e-4);
  expect_decode_agrees_with_forward(GetParam(), float16, 5e-3);
  expect_decode_agrees_with_forward(GetParam(), bfloat16, 4e-2);
}

TEST_P(CudaDecoder, TakesTheMemoryThatWasCounted) {
  expect_memory_as_counted(GetParam(), float16, 7);
}

const auto name_of = [](const auto& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(Models, CudaFixture, testing::ValuesIn(fixture_names()), name_of);
INSTANTIATE_TEST_SUITE_P(Models, CudaDecoder, testing::ValuesIn(decoder_names()), name_of);

}  // namespace
}  // namespace cotenant
