#include <gtest/gtest.h>

#include "truth.h"

// The CPU engine against Hugging Face Transformers.
namespace cotenant {
namespace {

using namespace truth;

class Fixture : public testing::TestWithParam<std::string> {};
class Decoder : public testing::TestWithParam<std::string> {};

TEST_P(Fixture, LogitsAreTransformersInFloat32) {
  expect_logits(GetParam(), {}, 1e-5);
}

TEST_P(Fixture, BFloat16LosesNoMoreThanTransformersDoes) {
  if (!cpu_engine_has(Dtype::bf16)) GTEST_SKIP() << "this CPU has no bfloat16";
  expect_logits(GetParam(), {.dtype = Dtype::bf16}, 1.5 * read_expected(GetParam()).error_bfloat16);
}

TEST_P(Fixture, RowsAreIndependent) {
  expect_rows_are_independent(GetParam(), {}, 2e-6);
}

TEST_P(Fixture, TakesTheMemoryThatWasCounted) {
  expect_memory_as_counted(GetParam(), {}, 0);
}

TEST_P(Fixture, NumberOfThreadsChangesNothing) {
  const Expected expected = read_expected(GetParam());
  const auto logits = [&](int threads) {
    const auto engine = engine_for(GetParam(), {.threads = threads}, expected.rows, expected.length);
    return forward(*engine, expected.input_ids, expected.rows);
  };
  EXPECT_LE(relative_error(logits(1), logits(test_threads)), 2e-6);
}

TEST_P(Decoder, GreedyTokensAreTransformers) {
  expect_greedy_tokens(GetParam(), {});
}

TEST_P(Decoder, DecodingAgreesWithForward) {
  expect_decode_agrees_with_forward(GetParam(), {}, 1e-5);
}

TEST_P(Decoder, ForcedDecodingIsTransformers) {
  expect_forced_decoding(GetParam(), {}, 1e-5);
}

TEST_P(Decoder, ForcedDecodingInBFloat16LosesNoMoreThanTransformersDoes) {
  if (!cpu_engine_has(Dtype::bf16)) GTEST_SKIP() << "this CPU has no bfloat16";
  expect_forced_decoding(GetParam(), {.dtype = Dtype::bf16}, 1.5 * read_expected(GetParam()).error_bfloat16);
}

TEST_P(Decoder, DecodingAgreesWithForwardInBFloat16) {
  if (!cpu_engine_has(Dtype::bf16)) GTEST_SKIP() << "this CPU has no bfloat16";
  expect_decode_agrees_with_forward(GetParam(), {.dtype = Dtype::bf16}, 1.5 * read_expected(GetParam()).error_bfloat16);
}

TEST_P(Decoder, TakesTheMemoryThatWasCounted) {
  expect_memory_as_counted(GetParam(), {}, 7);
}

const auto name_of = [](const auto& info) { return info.param; };
INSTANTIATE_TEST_SUITE_P(Models, Fixture, testing::ValuesIn(fixture_names()), name_of);
INSTANTIATE_TEST_SUITE_P(Models, Decoder, testing::ValuesIn(decoder_names()), name_of);

}  // namespace
}  // namespace cotenant
