#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device_data.h"
#include "engine/batching_truth.h"

// Requests that share passes on a GPU, against the same requests alone.
namespace cotenant {
namespace {

using namespace truth;

class CudaBatching : public SkippedWithoutGpu<testing::TestWithParam<std::string>> {};
using CudaDynamicBatching = OnGpu;

TEST_P(CudaBatching, AnswersAreThoseOfEachRequestAlone) {
  const Agreement agreement = agreement_with_alone(GetParam(), {.device = "cuda"}, {{3, 0, 0}, {8, 0, 1}, {4, 5, 2}});
  EXPECT_EQ(agreement.answers, agreement.requests);
}

// Products of other numbers of rows round otherwise, and a choice between two tokens that are nearly equal may part;
// from there on the answers are different texts. So nearly all first tokens must agree, and most answers.
TEST_P(CudaBatching, AnswersInHalfPrecisionPartOnlyByRounding) {
  Agreement all;
  for (const Dtype dtype : {Dtype::f16, Dtype::bf16}) {
    const Agreement one = agreement_with_alone(GetParam(), {.device = "cuda", .dtype = dtype}, {{3, 0, 0}, {4, 5, 2}});
    all.requests += one.requests;
    all.answers += one.answers;
    all.first_tokens += one.first_tokens;
  }
  EXPECT_GE(static_cast<double>(all.first_tokens), 0.9 * static_cast<double>(all.requests));
  EXPECT_GE(static_cast<double>(all.answers), 0.6 * static_cast<double>(all.requests));
}

INSTANTIATE_TEST_SUITE_P(Fixtures, CudaBatching, testing::ValuesIn(decoder_names()),
                         [](const auto& of) { return of.param; });

TEST_F(CudaDynamicBatching, PassesOfFewerRowsAreThoseOfTheWhole) {
  EngineOptions options = options_for("distilbert", {.device = "cuda"});
  options.rows = 4;
  options.seq_len = 5;
  options.max_wait_ms = 0;
  const auto engine = warm_engine<DynamicEngine>(options);
  const std::vector<int32_t> tokens{1, 2, 3, 4, 5, 9, 8, 7, 6, 5, 11, 12, 13, 14, 15};
  const auto alone = engine_for("distilbert", {.device = "cuda"}, 3, 5);
  for (const uint64_t requests : {3u, 1u, 2u}) {
    for (uint64_t row = 0; row < requests; ++row)
      ASSERT_TRUE(
          engine->submit({.id = row, .tokens = std::span(tokens).subspan(row * 5, 5), .rows = 1, .seq_len = 5}));
    EXPECT_EQ(engine->step(now_ns()).size(), 2 * requests);
    std::vector<float> wanted = forward(*alone, tokens, 3), found = engine->logits();
    wanted.resize(wanted.size() / 3 * requests);
    found.resize(wanted.size());
    EXPECT_LT(relative_error(found, wanted), 1e-5);
  }
}

}  // namespace
}  // namespace cotenant
