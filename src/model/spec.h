#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What an architecture is, as data. One transformer (engine/native/transformer.h) serves all of these; nothing
// outside model/ asks which family a model belongs to.
namespace cotenant {

enum class Family : uint8_t { gpt2, bert, distilbert, roberta, llama, mistral, qwen2, qwen3 };
std::string_view to_string(Family family);  // as config.json's model_type

enum class NormKind : uint8_t { layer, rms };
enum class Activation : uint8_t { none, gelu_tanh, gelu_erf, silu, relu };

// Rope scaling of Llama 3.1 and later (transformers, modeling_rope_utils.py, "llama3").
struct Llama3RopeScaling {
  double factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  double original_max_position_embeddings = 8192;
  bool operator==(const Llama3RopeScaling&) const = default;
};

struct Rope {
  double theta = 10000;
  double linear_factor = 1;  // "linear" scaling: positions are divided by it
  std::optional<Llama3RopeScaling> llama3 = std::nullopt;
  bool operator==(const Rope&) const = default;
};

struct ModelSpec {
  Family family = Family::gpt2;
  int64_t vocab_size = 0;
  int64_t hidden = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;  // == heads without grouping
  int64_t head_dim = 0;  // may differ from hidden / heads
  int64_t intermediate = 0;
  int64_t max_positions = 0;  // the longest sequence, position_offset already taken off

  NormKind norm = NormKind::layer;
  double norm_eps = 1e-5;
  bool post_norm = false;       // BERT: h = norm(h + f(h)); else h = h + f(norm(h))
  bool embedding_norm = false;  // BERT family
  bool final_norm = true;       // decoders

  std::optional<Rope> rope;     // else learned positions
  int64_t position_offset = 0;  // RoBERTa: 2
  int64_t token_types = 0;      // rows of the token type table; every token has type 0
  int64_t pad_token = -1;       // synthetic ids avoid it; -1: none

  Activation activation = Activation::gelu_tanh;
  bool gated = false;          // act(gate(x)) * up(x)
  bool causal = true;          // decoders
  int64_t sliding_window = 0;  // a token sees itself and the window-1 before it; 0: no window
  bool qkv_bias = false, attn_out_bias = false, ffn_bias = false;
  bool qk_norm = false;  // Qwen3: RMSNorm of each head of q and k, before rope

  bool has_head = true;  // decoders: logits over the vocabulary; encoders end with the hidden states
  bool tied_head = false;

  int64_t q_width() const { return heads * head_dim; }
  int64_t kv_width() const { return kv_heads * head_dim; }
  int64_t qkv_width() const { return q_width() + 2 * kv_width(); }
  bool operator==(const ModelSpec&) const = default;
};

// Trainable parameters, a tied head counted once; the encoder's pooler and heads of other tasks are not part of it.
int64_t parameter_count(const ModelSpec& spec);

// Floating-point operations (2 per multiply-add) of one pass over `rows` sequences of `seq_len` tokens: the matrix
// products and the attention (the pairs that the mask lets through). With head_on_last only one token a row goes
// through the head.
double forward_flops(const ModelSpec& spec, int64_t rows, int64_t seq_len, bool head_on_last = false);

}  // namespace cotenant
