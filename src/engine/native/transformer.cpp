#include "engine/native/transformer.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "base/error.h"

namespace cotenant {
namespace {

// Rotation frequencies of one head, with the roundings of transformers (modeling_rope_utils.py), which computes them in
// float32: a last bit of a frequency, times a position, would be the largest error of a whole pass.
std::vector<float> rope_frequencies(const Rope& rope, int64_t head_dim) {
  std::vector<float> frequencies(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    float frequency = 1.0f / static_cast<float>(std::pow(rope.theta, static_cast<double>(exponent)));
    frequency /= static_cast<float>(rope.linear_factor);
    if (rope.llama3) {
      const Llama3RopeScaling& s = *rope.llama3;
      const auto factor = static_cast<float>(s.factor);
      const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
      const float turns = static_cast<float>(s.original_max_position_embeddings) / wavelength;  // over that context
      const auto low = static_cast<float>(s.low_freq_factor), high = static_cast<float>(s.high_freq_factor);
      if (turns < low) {
        frequency /= factor;
      } else if (turns <= high) {
        const float smooth = (turns - low) / (high - low);
        frequency = (1 - smooth) * frequency / factor + smooth * frequency;
      }
    }
    frequencies[i] = frequency;
  }
  return frequencies;
}

// [positions, head_dim / 2, 2]: cos and sin.
std::vector<float> rope_table(const Rope& rope, int64_t head_dim, int64_t positions) {
  const std::vector<float> frequencies = rope_frequencies(rope, head_dim);
  std::vector<float> table;
  table.reserve(static_cast<size_t>(positions * head_dim));
  for (int64_t p = 0; p < positions; ++p) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(p) * frequency;
      table.push_back(std::cos(angle));
      table.push_back(std::sin(angle));
    }
  }
  return table;
}

// The first `rows` rows of a buffer.
Tensor head_of(Tensor tensor, int64_t rows) {
  tensor.shape[0] = rows;
  return tensor;
}

void check_shape(const Model& model, PassShape shape) {
  const ModelSpec& spec = model.spec;
  if (shape.rows < 1 || shape.seq_len < 1 || shape.max_new_tokens < 0)
    throw usage_error(model.name, "batch size and sequence length must be at least 1");
  if (shape.max_new_tokens > 0 && !spec.has_head)
    throw usage_error(model.name,
                      spec.causal
                          ? "has no language-model head (config.json's architectures) and cannot generate tokens"
                          : "is an encoder and cannot generate tokens",
                      "Use task: forward for it.");
  if (shape.seq_len + shape.max_new_tokens > spec.max_positions)
    throw usage_error(model.name,
                      fmt::format("seq_len {}{} is over the model's {} positions", shape.seq_len,
                                  shape.max_new_tokens ? fmt::format(" + max_new_tokens {}", shape.max_new_tokens) : "",
                                  spec.max_positions),
                      "Lower seq_len or max_new_tokens.");
}

}  // namespace

Transformer::Transformer(Ops& ops, const Model& model, PassShape shape) : ops_(ops), spec_(model.spec), shape_(shape) {
  check_shape(model, shape);
  attention_ = {.heads = spec_.heads,
                .kv_heads = spec_.kv_heads,
                .head_dim = spec_.head_dim,
                .causal = spec_.causal,
                .window = spec_.sliding_window,
                .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(spec_.head_dim)))};

  embedding_.tokens = ops.upload(model.token_embedding);
  if (model.position_embedding.exists()) embedding_.positions = ops.upload(model.position_embedding);
  embedding_.position_offset = spec_.position_offset;
  if (model.type_embedding.exists()) embedding_.type = head_of(ops.upload(model.type_embedding), 1);
  embedding_.norm = make_norm(model.embedding_norm);

  const bool generates = shape.max_new_tokens > 0;
  const int64_t positions = shape.seq_len + shape.max_new_tokens;
  Tensor rope;
  if (spec_.rope)
    rope = ops.constant(Dtype::f32, {positions, spec_.head_dim / 2, 2, 1},
                        rope_table(*spec_.rope, spec_.head_dim, positions).data());

  for (const LayerSource& source : model.layers) {
    Layer layer;
    layer.attn_norm = make_norm(source.attn_norm);
    layer.ffn_norm = make_norm(source.ffn_norm);
    layer.qkv = ops.pack(source.qkv);
    layer.attn_out = ops.pack(source.attn_out);
    layer.ffn_in = ops.pack(source.ffn_in);
    layer.ffn_out = ops.pack(source.ffn_out);
    layer.transform = {.rope = rope, .q_norm = make_norm(source.q_norm), .k_norm = make_norm(source.k_norm)};
    if (generates) {
      const Shape cache{shape.rows, spec_.kv_heads, positions, spec_.head_dim};
      layer.cache = {.k = ops.allocate(ops.dtype(), cache), .v = ops.allocate(ops.dtype(), cache)};
    }
    layers_.push_back(layer);
  }
  final_norm_ = make_norm(model.final_norm);
  if (spec_.has_head) head_ = ops.pack(model.head);
  ops.loaded();

  const int64_t tokens = shape.rows * shape.seq_len;
  const Dtype dtype = ops.dtype();
  buffers_.hidden = ops.allocate(dtype, {tokens, spec_.hidden, 1, 1});
  buffers_.normed = spec_.post_norm ? buffers_.hidden : ops.allocate(dtype, {tokens, spec_.hidden, 1, 1});
  buffers_.qkv = ops.allocate(dtype, {tokens, spec_.qkv_width(), 1, 1});
  buffers_.context = ops.allocate(dtype, {tokens, spec_.q_width(), 1, 1});
  if (spec_.gated) buffers_.ffn_wide = ops.allocate(dtype, {tokens, 2 * spec_.intermediate, 1, 1});
  buffers_.ffn = ops.allocate(dtype, {tokens, spec_.intermediate, 1, 1});

  input_ = ops.allocate(Dtype::i32, {tokens, 1, 1, 1});
  std::vector<int32_t> ramp(static_cast<size_t>(tokens));
  for (size_t t = 0; t < ramp.size(); ++t) ramp[t] = static_cast<int32_t>(t % static_cast<size_t>(shape.seq_len));
  positions_ = ops.constant(Dtype::i32, {tokens, 1, 1, 1}, ramp.data());

  logits_width_ = spec_.has_head ? spec_.vocab_size : spec_.hidden;
  if (generates) {
    last_tokens_ = ops.allocate(Dtype::i32, {shape.rows, 1, 1, 1});
    last_positions_ = ops.allocate(Dtype::i32, {shape.rows, 1, 1, 1});
    last_hidden_ = ops.allocate(dtype, {shape.rows, spec_.hidden, 1, 1});
    logits_ = ops.allocate(dtype, {shape.rows, head_.padded_out, 1, 1});
    ring_ = ops.make_ring(shape.max_new_tokens + 1, shape.rows);
  } else {
    logits_ = spec_.has_head ? ops.allocate(dtype, {tokens, head_.padded_out, 1, 1}) : buffers_.normed;
  }
}

Norm Transformer::make_norm(const NormSource& source) {
  Norm norm{.kind = spec_.norm, .eps = static_cast<float>(spec_.norm_eps), .scale = {}, .shift = {}};
  if (source.scale.exists()) norm.scale = ops_.upload(source.scale);
  if (source.shift.exists()) norm.shift = ops_.upload(source.shift);
  return norm;
}

Transformer::Buffers Transformer::buffers(int64_t tokens) const {
  return {.hidden = head_of(buffers_.hidden, tokens),
          .normed = head_of(buffers_.normed, tokens),
          .qkv = head_of(buffers_.qkv, tokens),
          .context = head_of(buffers_.context, tokens),
          .ffn_wide = spec_.gated ? head_of(buffers_.ffn_wide, tokens) : Tensor{},
          .ffn = head_of(buffers_.ffn, tokens)};
}

void Transformer::attention(const Layer& layer, const Buffers& b, const Tensor& positions, bool cached) {
  if (cached) {
    ops_.transform_and_attend_cached(b.context, b.qkv, layer.cache, positions, layer.transform, attention_);
  } else {
    if (layer.cache || layer.transform.rope || layer.transform.q_norm.scale)
      ops_.transform_qkv(b.qkv, positions, layer.transform, layer.cache, attention_);
    ops_.attend(b.context, b.qkv, shape_.rows, attention_);
  }
  ops_.linear(b.hidden, layer.attn_out, b.context, Activation::none, true);
}

void Transformer::block(const Layer& layer, const Buffers& b, const Tensor& positions, bool cached) {
  ops_.norm_linear(b.qkv, layer.qkv, b.hidden, {.norm = layer.attn_norm, .normed = b.normed});
  attention(layer, b, positions, cached);
  ops_.norm_linear(b.ffn, layer.ffn_in, b.hidden,
                   {.norm = layer.ffn_norm,
                    .normed = b.normed,
                    .activation = spec_.activation,
                    .gated = spec_.gated,
                    .wide = b.ffn_wide});
  ops_.linear(b.hidden, layer.ffn_out, b.ffn, Activation::none, true);
}

void Transformer::post_norm_block(const Layer& layer, const Buffers& b, const Tensor& positions) {
  ops_.linear(b.qkv, layer.qkv, b.hidden, Activation::none, false);
  attention(layer, b, positions, false);
  ops_.norm(b.hidden, b.hidden, layer.attn_norm);
  ops_.linear(b.ffn, layer.ffn_in, b.hidden, spec_.activation, false);
  ops_.linear(b.hidden, layer.ffn_out, b.ffn, Activation::none, true);
  ops_.norm(b.hidden, b.hidden, layer.ffn_norm);
}

void Transformer::blocks(const Buffers& b, const Tensor& ids, const Tensor& positions, bool cached) {
  ops_.embed(b.hidden, embedding_, ids, positions);
  for (const Layer& layer : layers_)
    spec_.post_norm ? post_norm_block(layer, b, positions) : block(layer, b, positions, cached);
}

void Transformer::tune() {
  if (shape_.max_new_tokens == 0) return ops_.tune([this] { forward(); });
  // Decoding first: what both have in common, the head, is tuned for what runs more often.
  ops_.tune([this] {
    after_prompt();  // the same step again and again, not one beyond the cache
    decode();
  });
  ops_.tune([this] { prefill(); });
}

void Transformer::forward() {
  blocks(buffers_, input_, positions_, false);
  if (!spec_.has_head) {  // logits_ is the last hidden state
    if (spec_.final_norm) ops_.norm(logits_, buffers_.hidden, final_norm_);
    return;
  }
  ops_.norm_linear(logits_, head_, buffers_.hidden, {.norm = final_norm_, .normed = buffers_.normed});
}

void Transformer::prefill() {
  blocks(buffers_, input_, positions_, false);
  ops_.last_rows(last_hidden_, buffers_.hidden);
  after_prompt();
  next_tokens(last_hidden_);
}

// Decoding goes on behind the prompt.
void Transformer::after_prompt() {
  ops_.set_positions(last_positions_, static_cast<int32_t>(shape_.seq_len - 1));
}

void Transformer::decode() {
  const Buffers b = buffers(shape_.rows);
  blocks(b, last_tokens_, last_positions_, true);
  next_tokens(b.hidden);
}

void Transformer::next_tokens(const Tensor& hidden) {
  ops_.norm_linear(logits_, head_, hidden, {.norm = final_norm_, .normed = hidden});
  ops_.argmax(last_tokens_, logits_, spec_.vocab_size);
  ops_.advance(last_positions_, last_tokens_, ring_);
}

}  // namespace cotenant
