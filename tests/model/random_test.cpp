#include "model/random.h"

#include <cmath>
#include <set>

#include "model/open.h"
#include "model/presets.h"
#include "support.h"

namespace cotenant {
namespace {

std::vector<float> values_of(const TensorSource& source, int64_t first, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  read_floats(source, first, count, values.data());
  return values;
}

struct Moments {
  double mean = 0, deviation = 0, least = 0, most = 0;
};

Moments moments_of(const TensorSource& source) {
  const std::vector<float> values = values_of(source, 0, source.elements());
  Moments m{.mean = 0, .deviation = 0, .least = values[0], .most = values[0]};
  for (const float value : values) {
    m.mean += value / static_cast<double>(values.size());
    m.least = std::min<double>(m.least, value);
    m.most = std::max<double>(m.most, value);
  }
  for (const float value : values)
    m.deviation += (value - m.mean) * (value - m.mean) / static_cast<double>(values.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

TEST(Random, WeightsHaveTheSpreadOfHuggingFacesInitialisers) {
  const Model model = random_model(find_preset("distilgpt2")->spec, 0);
  const Moments embedding = moments_of(model.token_embedding);  // 38.6 million values
  EXPECT_NEAR(embedding.mean, 0, 2e-5);
  EXPECT_NEAR(embedding.deviation, 0.02, 2e-5);
  EXPECT_LE(embedding.most, 0.02 * std::sqrt(3.0) + 1e-6);
  const Moments scale = moments_of(model.layers[0].attn_norm.scale);
  EXPECT_NEAR(scale.mean, 1, 0.02);
  EXPECT_GE(scale.least, 0.9f);
  EXPECT_LE(scale.most, 1.1f);
  EXPECT_GT(moments_of(model.layers[0].qkv.biases[0]).deviation, 0.005);
}

TEST(Random, TheSameSeedGivesTheSameWeightsAndAnotherOthers) {
  const ModelSpec& spec = find_preset("Qwen/Qwen3-0.6B")->spec;
  const Model first = random_model(spec, 7), again = random_model(spec, 7), other = random_model(spec, 8);
  const auto sample = [](const Model& model) { return values_of(model.layers[5].ffn_in.weights[1], 1000, 64); };
  EXPECT_EQ(sample(first), sample(again));
  EXPECT_NE(sample(first), sample(other));
}

TEST(Random, AnyPartOfATensorIsReadAlone) {
  const Model model = random_model(find_preset("distilgpt2")->spec, 3);
  const TensorSource& source = model.layers[2].ffn_out.weights[0];
  const std::vector<float> all = values_of(source, 0, 1000);
  const std::vector<float> part = values_of(source, 990, 10);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + 990));
}

TEST(Random, EveryTensorHasItsOwnValues) {
  const Model model = random_model(find_preset("meta-llama/Llama-3.1-8B")->spec, 0);
  std::set<uint64_t> keys{model.token_embedding.fill.key, model.head.weights[0].fill.key};
  size_t tensors = 2;
  for (const LayerSource& layer : model.layers)
    for (const LinearSource* linear : {&layer.qkv, &layer.attn_out, &layer.ffn_in, &layer.ffn_out})
      for (const TensorSource& weight : linear->weights) keys.insert(weight.fill.key), ++tensors;
  EXPECT_EQ(keys.size(), tensors);
}

TEST(Random, ATiedHeadIsTheEmbedding) {
  const Model model = random_model(find_preset("distilgpt2")->spec, 0);
  EXPECT_EQ(values_of(model.head.weights[0], 12345, 10), values_of(model.token_embedding, 12345, 10));
}

TEST(Random, ReadingBeyondTheEndIsAnError) {
  const Model model = random_model(find_preset("distilgpt2")->spec, 0);
  float value = 0;
  const TensorSource& bias = model.layers[0].attn_out.biases[0];
  EXPECT_THROW(read_floats(bias, bias.elements(), 1, &value), Error);
  EXPECT_THROW(read_floats(bias, -1, 1, &value), Error);
  EXPECT_NO_THROW(read_floats(bias, bias.elements(), 0, &value));
}

}  // namespace
}  // namespace cotenant
