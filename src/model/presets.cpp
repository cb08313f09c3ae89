#include "model/presets.h"

#include <algorithm>

namespace cotenant {
namespace {

// ---- families: what their config.json leaves to defaults ----

struct Size {
  int64_t vocab = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, intermediate = 0, max_positions = 0;
};

ModelSpec sized(Family family, const Size& size) {
  ModelSpec spec;
  spec.family = family;
  spec.vocab_size = size.vocab;
  spec.hidden = size.hidden;
  spec.layers = size.layers;
  spec.heads = size.heads;
  spec.kv_heads = size.kv_heads ? size.kv_heads : size.heads;
  spec.head_dim = size.hidden / size.heads;
  spec.intermediate = size.intermediate;
  spec.max_positions = size.max_positions;
  return spec;
}

ModelSpec gpt2(int64_t hidden, int64_t layers, int64_t heads) {
  ModelSpec spec = sized(Family::gpt2, {.vocab = 50257,
                                        .hidden = hidden,
                                        .layers = layers,
                                        .heads = heads,
                                        .intermediate = 4 * hidden,
                                        .max_positions = 1024});
  spec.qkv_bias = spec.attn_out_bias = spec.ffn_bias = true;
  spec.tied_head = true;
  return spec;
}

ModelSpec encoder(Family family, const Size& size) {
  ModelSpec spec = sized(family, size);
  spec.norm_eps = 1e-12;
  spec.post_norm = spec.embedding_norm = true;
  spec.final_norm = spec.has_head = spec.causal = false;
  spec.activation = Activation::gelu_erf;
  spec.qkv_bias = spec.attn_out_bias = spec.ffn_bias = true;
  spec.token_types = 2;
  spec.pad_token = 0;
  return spec;
}

ModelSpec distilbert(const Size& size) {
  ModelSpec spec = encoder(Family::distilbert, size);
  spec.token_types = 0;
  return spec;
}

// size.max_positions as in config.json: the positions start behind the padding id, 1.
ModelSpec roberta(const Size& size) {
  ModelSpec spec = encoder(Family::roberta, size);
  spec.norm_eps = 1e-5;
  spec.pad_token = 1;
  spec.position_offset = 2;
  spec.max_positions -= spec.position_offset;
  spec.token_types = 1;
  return spec;
}

ModelSpec llama(const Size& size, Rope rope, bool tied_head = false) {
  ModelSpec spec = sized(Family::llama, size);
  spec.norm = NormKind::rms;
  spec.rope = rope;
  spec.activation = Activation::silu;
  spec.gated = true;
  spec.tied_head = tied_head;
  return spec;
}

ModelSpec mistral(const Size& size, Rope rope, int64_t sliding_window = 0) {
  ModelSpec spec = llama(size, rope);
  spec.family = Family::mistral;
  spec.sliding_window = sliding_window;
  return spec;
}

ModelSpec qwen2(const Size& size, Rope rope, double norm_eps, bool tied_head) {
  ModelSpec spec = llama(size, rope, tied_head);
  spec.family = Family::qwen2;
  spec.norm_eps = norm_eps;
  spec.qkv_bias = true;
  return spec;
}

ModelSpec qwen3(const Size& size, bool tied_head) {
  ModelSpec spec = llama(size, {.theta = 1e6}, tied_head);
  spec.family = Family::qwen3;
  spec.norm_eps = 1e-6;
  spec.head_dim = 128;
  spec.qk_norm = true;
  return spec;
}

Rope llama3_rope(double factor) {
  return {.theta = 500000,
          .linear_factor = 1,
          .llama3 = Llama3RopeScaling{
              .factor = factor, .low_freq_factor = 1, .high_freq_factor = 4, .original_max_position_embeddings = 8192}};
}

// ---- the table ----

std::vector<Preset> make_presets() {
  using Names = std::vector<std::string>;
  const auto open = [](std::string organisation, Names names, ModelSpec spec) {
    return Preset{std::move(organisation), std::move(names), std::move(spec), true, false};
  };
  const auto bare = [](std::string organisation, Names names, ModelSpec spec) {
    return Preset{std::move(organisation), std::move(names), std::move(spec), false, false};
  };
  const auto gated = [](std::string organisation, Names names, ModelSpec spec) {
    return Preset{std::move(organisation), std::move(names), std::move(spec), true, true};
  };

  // Size: vocabulary, hidden, layers, heads, KV heads (0: as many), intermediate, positions
  return {
      bare("distilbert", {"distilgpt2"}, gpt2(768, 6, 12)),
      bare("openai-community", {"gpt2"}, gpt2(768, 12, 12)),
      bare("openai-community", {"gpt2-medium"}, gpt2(1024, 24, 16)),
      bare("openai-community", {"gpt2-large"}, gpt2(1280, 36, 20)),
      bare("openai-community", {"gpt2-xl"}, gpt2(1600, 48, 25)),

      bare("distilbert", {"distilbert-base-uncased"}, distilbert({30522, 768, 6, 12, 0, 3072, 512})),
      bare("google-bert", {"bert-base-uncased"}, encoder(Family::bert, {30522, 768, 12, 12, 0, 3072, 512})),
      bare("google-bert", {"bert-base-cased"}, encoder(Family::bert, {28996, 768, 12, 12, 0, 3072, 512})),
      bare("google-bert", {"bert-large-uncased"}, encoder(Family::bert, {30522, 1024, 24, 16, 0, 4096, 512})),
      bare("FacebookAI", {"roberta-base"}, roberta({50265, 768, 12, 12, 0, 3072, 514})),
      bare("FacebookAI", {"roberta-large"}, roberta({50265, 1024, 24, 16, 0, 4096, 514})),

      gated("meta-llama", {"Llama-3.2-1B-Instruct", "Llama-3.2-1B"},
            llama({128256, 2048, 16, 32, 8, 8192, 131072}, llama3_rope(32), true)),
      gated("meta-llama", {"Llama-3.2-3B-Instruct", "Llama-3.2-3B"},
            llama({128256, 3072, 28, 24, 8, 8192, 131072}, llama3_rope(32), true)),
      gated("meta-llama", {"Llama-3.1-8B-Instruct", "Llama-3.1-8B"},
            llama({128256, 4096, 32, 32, 8, 14336, 131072}, llama3_rope(8))),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Llama-8B"},
           llama({128256, 4096, 32, 32, 8, 14336, 131072}, llama3_rope(8))),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Llama-70B"},
           llama({128256, 8192, 80, 64, 8, 28672, 131072}, llama3_rope(8))),
      open("TinyLlama", {"TinyLlama-1.1B-Chat-v1.0", "TinyLlama_v1.1"},
           llama({32000, 2048, 22, 32, 4, 5632, 2048}, {.theta = 10000})),
      open("HuggingFaceTB", {"SmolLM2-135M", "SmolLM2-135M-Instruct"},
           llama({49152, 576, 30, 9, 3, 1536, 8192}, {.theta = 100000}, true)),
      open("HuggingFaceTB", {"SmolLM2-360M", "SmolLM2-360M-Instruct"},
           llama({49152, 960, 32, 15, 5, 2560, 8192}, {.theta = 100000}, true)),
      open("HuggingFaceTB", {"SmolLM2-1.7B", "SmolLM2-1.7B-Instruct"},
           llama({49152, 2048, 24, 32, 32, 8192, 8192}, {.theta = 130000}, true)),

      gated("mistralai", {"Mistral-7B-Instruct-v0.2"}, mistral({32000, 4096, 32, 32, 8, 14336, 32768}, {.theta = 1e6})),
      gated("mistralai", {"Mistral-7B-v0.1", "Mistral-7B-Instruct-v0.1"},
            mistral({32000, 4096, 32, 32, 8, 14336, 32768}, {.theta = 10000}, 4096)),
      gated("mistralai", {"Mistral-7B-Instruct-v0.3", "Mistral-7B-v0.3"},
            mistral({32768, 4096, 32, 32, 8, 14336, 32768}, {.theta = 1e6})),

      open("Qwen", {"Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B"},
           qwen2({151936, 896, 24, 14, 2, 4864, 32768}, {.theta = 1e6}, 1e-6, true)),
      open("Qwen", {"Qwen2.5-7B-Instruct"},
           qwen2({152064, 3584, 28, 28, 4, 18944, 32768}, {.theta = 1e6}, 1e-6, false)),
      open("Qwen", {"Qwen2.5-7B"}, qwen2({152064, 3584, 28, 28, 4, 18944, 131072}, {.theta = 1e6}, 1e-6, false)),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Qwen-1.5B"},
           qwen2({151936, 1536, 28, 12, 2, 8960, 131072}, {.theta = 10000}, 1e-6, false)),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Qwen-7B"},
           qwen2({152064, 3584, 28, 28, 4, 18944, 131072}, {.theta = 10000}, 1e-6, false)),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Qwen-14B"},
           qwen2({152064, 5120, 48, 40, 8, 13824, 131072}, {.theta = 1e6}, 1e-5, false)),
      open("deepseek-ai", {"DeepSeek-R1-Distill-Qwen-32B"},
           qwen2({152064, 5120, 64, 40, 8, 27648, 131072}, {.theta = 1e6}, 1e-5, false)),
      open("Qwen", {"Qwen3-0.6B"}, qwen3({151936, 1024, 28, 16, 8, 3072, 40960}, true)),
      open("Qwen", {"Qwen3-8B"}, qwen3({151936, 4096, 36, 32, 8, 12288, 40960}, false)),
  };
}

bool spells(const Preset& preset, std::string_view name) {
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos) {
    if (name.substr(0, slash) != preset.organisation) return false;
    name.remove_prefix(slash + 1);
  }
  return std::find(preset.names.begin(), preset.names.end(), name) != preset.names.end();
}

}  // namespace

std::vector<std::string> Preset::hub_spellings() const {
  std::vector<std::string> out;
  for (const std::string& name : names) out.push_back(needs_organisation ? organisation + "/" + name : name);
  return out;
}

std::span<const Preset> presets() {
  static const std::vector<Preset> table = make_presets();
  return table;
}

const Preset* find_preset(std::string_view name) {
  for (const Preset& preset : presets())
    if (spells(preset, name)) return &preset;
  return nullptr;
}

std::vector<std::string> hub_names(const std::string& name) {
  std::vector<std::string> out{name};
  const Preset* preset = find_preset(name);
  if (preset == nullptr) return out;
  const size_t slash = name.find('/');
  if (slash == std::string::npos) {
    out.push_back(preset->organisation + "/" + name);
  } else if (!preset->needs_organisation) {
    out.push_back(name.substr(slash + 1));
  }
  return out;
}

std::vector<std::string> known_names() {
  std::vector<std::string> out;
  for (const Preset& preset : presets())
    for (std::string& name : preset.hub_spellings()) out.push_back(std::move(name));
  return out;
}

}  // namespace cotenant
