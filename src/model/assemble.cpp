#include "model/assemble.h"

#include <fmt/format.h>

namespace cotenant {
namespace {

// Hugging Face's names, without ".weight" and ".bias". Within a layer they follow "<layer><number>.". Several names
// for one product mean that its parts are stored apart.
struct TensorNames {
  std::string_view prefix;
  std::string_view token_embedding, position_embedding, type_embedding, embedding_norm;
  std::string_view layer;
  std::string_view attn_norm;
  std::vector<std::string_view> qkv;
  std::string_view q_norm, k_norm;
  std::string_view attn_out;
  std::string_view ffn_norm;
  std::vector<std::string_view> ffn_in;
  std::string_view ffn_out;
  std::string_view final_norm;
  bool in_out = false;  // matrices are stored [in, out]: GPT-2's Conv1D
};

const TensorNames& names_of(Family family) {
  static const TensorNames gpt2{.prefix = "transformer.",
                                .token_embedding = "wte",
                                .position_embedding = "wpe",
                                .type_embedding = {},
                                .embedding_norm = {},
                                .layer = "h.",
                                .attn_norm = "ln_1",
                                .qkv = {"attn.c_attn"},
                                .q_norm = {},
                                .k_norm = {},
                                .attn_out = "attn.c_proj",
                                .ffn_norm = "ln_2",
                                .ffn_in = {"mlp.c_fc"},
                                .ffn_out = "mlp.c_proj",
                                .final_norm = "ln_f",
                                .in_out = true};
  static const TensorNames bert{.prefix = "bert.",
                                .token_embedding = "embeddings.word_embeddings",
                                .position_embedding = "embeddings.position_embeddings",
                                .type_embedding = "embeddings.token_type_embeddings",
                                .embedding_norm = "embeddings.LayerNorm",
                                .layer = "encoder.layer.",
                                .attn_norm = "attention.output.LayerNorm",
                                .qkv = {"attention.self.query", "attention.self.key", "attention.self.value"},
                                .q_norm = {},
                                .k_norm = {},
                                .attn_out = "attention.output.dense",
                                .ffn_norm = "output.LayerNorm",
                                .ffn_in = {"intermediate.dense"},
                                .ffn_out = "output.dense",
                                .final_norm = {}};
  static const TensorNames roberta = [] {
    TensorNames names = bert;
    names.prefix = "roberta.";
    return names;
  }();
  static const TensorNames distilbert{.prefix = "distilbert.",
                                      .token_embedding = "embeddings.word_embeddings",
                                      .position_embedding = "embeddings.position_embeddings",
                                      .type_embedding = {},
                                      .embedding_norm = "embeddings.LayerNorm",
                                      .layer = "transformer.layer.",
                                      .attn_norm = "sa_layer_norm",
                                      .qkv = {"attention.q_lin", "attention.k_lin", "attention.v_lin"},
                                      .q_norm = {},
                                      .k_norm = {},
                                      .attn_out = "attention.out_lin",
                                      .ffn_norm = "output_layer_norm",
                                      .ffn_in = {"ffn.lin1"},
                                      .ffn_out = "ffn.lin2",
                                      .final_norm = {}};
  static const TensorNames llama{.prefix = "model.",
                                 .token_embedding = "embed_tokens",
                                 .position_embedding = {},
                                 .type_embedding = {},
                                 .embedding_norm = {},
                                 .layer = "layers.",
                                 .attn_norm = "input_layernorm",
                                 .qkv = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
                                 .q_norm = "self_attn.q_norm",
                                 .k_norm = "self_attn.k_norm",
                                 .attn_out = "self_attn.o_proj",
                                 .ffn_norm = "post_attention_layernorm",
                                 .ffn_in = {"mlp.gate_proj", "mlp.up_proj"},
                                 .ffn_out = "mlp.down_proj",
                                 .final_norm = "norm"};
  switch (family) {
    case Family::gpt2:
      return gpt2;
    case Family::bert:
      return bert;
    case Family::distilbert:
      return distilbert;
    case Family::roberta:
      return roberta;
    case Family::llama:
    case Family::mistral:
    case Family::qwen2:
    case Family::qwen3:
      break;
  }
  return llama;
}

class Assembler {
 public:
  Assembler(const ModelSpec& spec, const TensorProvider& provide)
      : spec_(spec), provide_(provide), names_(names_of(spec.family)) {}

  Model model() const {
    Model model;
    model.spec = spec_;
    model.token_embedding = table(names_.token_embedding, spec_.vocab_size);
    if (!spec_.rope)
      model.position_embedding = table(names_.position_embedding, spec_.max_positions + spec_.position_offset);
    if (spec_.token_types > 0) model.type_embedding = table(names_.type_embedding, spec_.token_types);
    if (spec_.embedding_norm) model.embedding_norm = norm(std::string(names_.embedding_norm), spec_.hidden);
    for (int64_t i = 0; i < spec_.layers; ++i) model.layers.push_back(layer(fmt::format("{}{}.", names_.layer, i)));
    if (spec_.final_norm) model.final_norm = norm(std::string(names_.final_norm), spec_.hidden);
    if (spec_.has_head) model.head = head(model.token_embedding);
    return model;
  }

 private:
  TensorSource table(std::string_view name, int64_t rows) const {
    return provide_({fmt::format("{}.weight", name), {rows, spec_.hidden}, TensorRole::matrix});
  }

  NormSource norm(const std::string& name, int64_t width) const {
    NormSource norm;
    norm.scale = provide_({name + ".weight", {width}, TensorRole::norm_scale});
    if (spec_.norm == NormKind::layer) norm.shift = provide_({name + ".bias", {width}, TensorRole::bias});
    return norm;
  }

  // `outs` are the widths of the parts; parts that share one name are stored as one tensor.
  LinearSource linear(const std::string& layer, const std::vector<std::string_view>& parts, int64_t in,
                      std::vector<int64_t> outs, bool bias) const {
    LinearSource linear{.weights = {}, .biases = {}, .in_out = names_.in_out, .in = in, .out = 0};
    for (const int64_t out : outs) linear.out += out;
    if (parts.size() == 1) outs = {linear.out};
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string name = fmt::format("{}{}", layer, parts[i]);
      const auto shape = names_.in_out ? std::vector{in, outs[i]} : std::vector{outs[i], in};
      linear.weights.push_back(provide_({name + ".weight", shape, TensorRole::matrix}));
      if (bias) linear.biases.push_back(provide_({name + ".bias", {outs[i]}, TensorRole::bias}));
    }
    return linear;
  }

  LayerSource layer(const std::string& at) const {
    LayerSource layer;
    const auto name = [&](std::string_view part) { return fmt::format("{}{}", at, part); };
    layer.attn_norm = norm(name(names_.attn_norm), spec_.hidden);
    layer.qkv =
        linear(at, names_.qkv, spec_.hidden, {spec_.q_width(), spec_.kv_width(), spec_.kv_width()}, spec_.qkv_bias);
    if (spec_.qk_norm) {
      layer.q_norm = norm(name(names_.q_norm), spec_.head_dim);
      layer.k_norm = norm(name(names_.k_norm), spec_.head_dim);
    }
    layer.attn_out = linear(at, {names_.attn_out}, spec_.q_width(), {spec_.hidden}, spec_.attn_out_bias);
    layer.ffn_norm = norm(name(names_.ffn_norm), spec_.hidden);
    const auto ffn_outs =
        spec_.gated ? std::vector{spec_.intermediate, spec_.intermediate} : std::vector{spec_.intermediate};
    layer.ffn_in = linear(at, names_.ffn_in, spec_.hidden, ffn_outs, spec_.ffn_bias);
    layer.ffn_out = linear(at, {names_.ffn_out}, spec_.intermediate, {spec_.hidden}, spec_.ffn_bias);
    return layer;
  }

  // Always [vocab, hidden], in GPT-2 as well.
  LinearSource head(const TensorSource& token_embedding) const {
    LinearSource head{.weights = {}, .biases = {}, .in_out = false, .in = spec_.hidden, .out = spec_.vocab_size};
    head.weights.push_back(spec_.tied_head
                               ? token_embedding
                               : provide_({"lm_head.weight", {spec_.vocab_size, spec_.hidden}, TensorRole::matrix}));
    return head;
  }

  const ModelSpec& spec_;
  const TensorProvider& provide_;
  const TensorNames& names_;
};

}  // namespace

Model assemble(const ModelSpec& spec, const TensorProvider& provide) {
  return Assembler(spec, provide).model();
}

std::string_view tensor_prefix(Family family) {
  return names_of(family).prefix;
}

bool is_token_embedding(std::string_view name, Family family) {
  return name == fmt::format("{}.weight", names_of(family).token_embedding);
}

std::string_view layer_prefix(Family family) {
  return names_of(family).layer;
}

}  // namespace cotenant
