#include "model/presets.h"

#include <set>

#include "support.h"

namespace cotenant {
namespace {

// Counted by Transformers 5 from the models it builds of these architectures on the "meta" device, encoders without
// their pooler: sum(p.numel() for p in model.parameters()).
TEST(Presets, HaveAsManyParametersAsTransformersCounts) {
  const std::vector<std::pair<std::string, int64_t>> counted{
      {"distilgpt2", 81912576},
      {"gpt2", 124439808},
      {"gpt2-medium", 354823168},
      {"gpt2-large", 774030080},
      {"gpt2-xl", 1557611200},
      {"distilbert-base-uncased", 66362880},
      {"bert-base-uncased", 108891648},
      {"bert-base-cased", 107719680},
      {"bert-large-uncased", 334092288},
      {"roberta-base", 124055040},
      {"roberta-large", 354310144},
      {"meta-llama/Llama-3.2-1B", 1235814400},
      {"meta-llama/Llama-3.2-3B-Instruct", 3212749824},
      {"meta-llama/Llama-3.1-8B", 8030261248},
      {"deepseek-ai/DeepSeek-R1-Distill-Llama-8B", 8030261248},
      {"deepseek-ai/DeepSeek-R1-Distill-Llama-70B", 70553706496},
      {"TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1100048384},
      {"HuggingFaceTB/SmolLM2-135M", 134515008},
      {"HuggingFaceTB/SmolLM2-360M", 361821120},
      {"HuggingFaceTB/SmolLM2-1.7B", 1711376384},
      {"mistralai/Mistral-7B-Instruct-v0.2", 7241732096},
      {"mistralai/Mistral-7B-v0.1", 7241732096},
      {"mistralai/Mistral-7B-Instruct-v0.3", 7248023552},
      {"Qwen/Qwen2.5-0.5B-Instruct", 494032768},
      {"Qwen/Qwen2.5-7B-Instruct", 7615616512},
      {"Qwen/Qwen2.5-7B", 7615616512},
      {"deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", 1777088000},
      {"deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", 7615616512},
      {"deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", 14770033664},
      {"deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", 32763876352},
      {"Qwen/Qwen3-0.6B", 596049920},
      {"Qwen/Qwen3-8B", 8190735360},
  };
  std::set<const Preset*> seen;
  for (const auto& [name, parameters] : counted) {
    const Preset* preset = find_preset(name);
    ASSERT_NE(preset, nullptr) << name;
    EXPECT_EQ(parameter_count(preset->spec), parameters) << name;
    seen.insert(preset);
  }
  EXPECT_EQ(seen.size(), presets().size()) << "an architecture that this test does not know";
}

// PyTorch's FlopCounterMode on the same models, 8 x 128 tokens: aten.addmm and aten.mm are the products with weights,
// aten.bmm those of attention, which it counts as if no mask were there.
TEST(Presets, CostAsManyOperationsAsTorchCounts) {
  const auto flops = [](const char* name) { return forward_flops(find_preset(name)->spec, 8, 128); };
  const double causal = 129.0 / 256;  // pairs (i, j) with j <= i among 128 x 128
  EXPECT_DOUBLE_EQ(flops("distilbert-base-uncased"), 86973087744.0 + 2415919104.0);
  EXPECT_DOUBLE_EQ(flops("distilgpt2"), 86973087744.0 + 79047426048.0 + causal * 2415919104.0);
  EXPECT_DOUBLE_EQ(flops("mistralai/Mistral-7B-Instruct-v0.2"), 14562086617088.0 + causal * 68719476736.0);
  EXPECT_DOUBLE_EQ(flops("Qwen/Qwen3-0.6B"), 1220576018432.0 + causal * 30064771072.0);
}

TEST(Presets, TheHeadOnOneTokenOfEachRow) {
  const ModelSpec& spec = find_preset("distilgpt2")->spec;
  const double head_of_one_token = 2.0 * 768 * 50257;
  EXPECT_DOUBLE_EQ(forward_flops(spec, 8, 128) - forward_flops(spec, 8, 128, true), (8 * 128 - 8) * head_of_one_token);
}

TEST(Presets, AWindowHidesPairs) {
  ModelSpec spec = find_preset("distilgpt2")->spec;
  const double all = forward_flops(spec, 1, 10);
  spec.sliding_window = 3;  // 1 + 2 + 8 * 3 = 27 pairs of the 55
  EXPECT_DOUBLE_EQ(all - forward_flops(spec, 1, 10), 6 * 4.0 * 768 * (55 - 27));
  spec.sliding_window = 10;
  EXPECT_DOUBLE_EQ(all, forward_flops(spec, 1, 10));
}

TEST(Presets, AreFoundWithAndWithoutTheirOrganisation) {
  EXPECT_EQ(find_preset("distilgpt2"), find_preset("distilbert/distilgpt2"));
  EXPECT_EQ(find_preset("gpt2"), find_preset("openai-community/gpt2"));
  EXPECT_EQ(find_preset("roberta-large"), find_preset("FacebookAI/roberta-large"));
  EXPECT_EQ(find_preset("Llama-3.2-3B-Instruct"), find_preset("meta-llama/Llama-3.2-3B-Instruct"));
  EXPECT_EQ(find_preset("someone/distilgpt2"), nullptr);
  EXPECT_EQ(find_preset("distilgpt"), nullptr);
  EXPECT_EQ(find_preset(""), nullptr);
  EXPECT_EQ(find_preset("/"), nullptr);
}

TEST(Presets, EveryListedNameIsFound) {
  std::set<std::string> names;
  for (const std::string& name : known_names()) {
    EXPECT_NE(find_preset(name), nullptr) << name;
    EXPECT_TRUE(names.insert(name).second) << name << " is listed twice";
  }
}

}  // namespace
}  // namespace cotenant
