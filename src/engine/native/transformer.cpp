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

// Rows first..first+rows-1 of a buffer.
Tensor rows_of(Tensor tensor, int64_t first, int64_t rows) {
  const auto row_bytes = static_cast<size_t>(tensor.elements() / tensor.shape[0]) * size_of(tensor.dtype);
  if (tensor.data) tensor.data = static_cast<std::byte*>(tensor.data) + static_cast<size_t>(first) * row_bytes;
  tensor.shape[0] = rows;
  return tensor;
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
      const int64_t spare = shape.in_steps() ? 1 : 0;  // for what is nobody's: see Slots
      const Shape cache{shape.sequences() + spare, spec_.kv_heads, positions, spec_.head_dim};
      layer.cache = {.k = ops.allocate(ops.dtype(), cache), .v = ops.allocate(ops.dtype(), cache)};
    }
    layers_.push_back(layer);
  }
  final_norm_ = make_norm(model.final_norm);
  if (spec_.has_head) head_ = ops.pack(model.head);
  ops.loaded();

  const int64_t tokens =
      shape.in_steps() ? shape.slots.slots + shape.slots.most_pieces * shape.slots.piece : shape.rows * shape.seq_len;
  const Dtype dtype = ops.dtype();
  buffers_.hidden = ops.allocate(dtype, {tokens, spec_.hidden, 1, 1});
  buffers_.normed = spec_.post_norm ? buffers_.hidden : ops.allocate(dtype, {tokens, spec_.hidden, 1, 1});
  buffers_.qkv = ops.allocate(dtype, {tokens, spec_.qkv_width(), 1, 1});
  buffers_.context = ops.allocate(dtype, {tokens, spec_.q_width(), 1, 1});
  if (spec_.gated) buffers_.ffn_wide = ops.allocate(dtype, {tokens, 2 * spec_.intermediate, 1, 1});
  buffers_.ffn = ops.allocate(dtype, {tokens, spec_.intermediate, 1, 1});

  if (shape.in_steps()) {
    step_input_ = ops.allocate(Dtype::i32, {StepLayout(shape.slots).size, 1, 1, 1});
  } else {
    input_ = ops.allocate(Dtype::i32, {tokens, 1, 1, 1});
    std::vector<int32_t> ramp(static_cast<size_t>(tokens));
    for (size_t t = 0; t < ramp.size(); ++t) ramp[t] = static_cast<int32_t>(t % static_cast<size_t>(shape.seq_len));
    positions_ = ops.constant(Dtype::i32, {tokens, 1, 1, 1}, ramp.data());
  }

  logits_width_ = spec_.has_head ? spec_.vocab_size : spec_.hidden;
  if (generates) {
    const int64_t sequences = shape.sequences();
    last_tokens_ = ops.allocate(Dtype::i32, {sequences, 1, 1, 1});
    if (!shape.in_steps()) last_positions_ = ops.allocate(Dtype::i32, {sequences, 1, 1, 1});
    last_hidden_ = ops.allocate(dtype, {sequences, spec_.hidden, 1, 1});
    logits_ = ops.allocate(dtype, {sequences, head_.padded_out, 1, 1});
    ring_ = ops.make_ring(shape.max_new_tokens + 1, sequences);
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

Transformer::Pass Transformer::whole_prompts(int64_t rows) const {
  return {.prompts = rows, .length = shape_.seq_len, .prompt_positions = head_of(positions_, rows * shape_.seq_len)};
}

void Transformer::attention(const Layer& layer, const Buffers& b, const Pass& pass) {
  if (pass.decoding > 0) {
    const KvCache cache{.k = head_of(layer.cache.k, pass.decoding), .v = head_of(layer.cache.v, pass.decoding)};
    ops_.transform_and_attend_cached(head_of(b.context, pass.decoding), head_of(b.qkv, pass.decoding), cache,
                                     pass.positions, layer.transform, attention_);
  }
  if (pass.prompts > 0) {
    const int64_t tokens = pass.prompts * pass.length;
    const Tensor context = rows_of(b.context, pass.decoding, tokens), qkv = rows_of(b.qkv, pass.decoding, tokens);
    KvCache cache = layer.cache;
    cache.row_of = pass.rows_of_pieces;
    if (cache || layer.transform.rope || layer.transform.q_norm.scale)
      ops_.transform_qkv(qkv, pass.prompt_positions, layer.transform, cache, attention_);
    if (cache.row_of)
      ops_.attend_pieces(context, qkv, cache, pass.prompt_positions, attention_);
    else
      ops_.attend(context, qkv, pass.prompts, attention_);
  }
  ops_.linear(b.hidden, layer.attn_out, b.context, Activation::none, true);
}

void Transformer::block(const Layer& layer, const Buffers& b, const Pass& pass) {
  ops_.norm_linear(b.qkv, layer.qkv, b.hidden, {.norm = layer.attn_norm, .normed = b.normed});
  attention(layer, b, pass);
  ops_.norm_linear(b.ffn, layer.ffn_in, b.hidden,
                   {.norm = layer.ffn_norm,
                    .normed = b.normed,
                    .activation = spec_.activation,
                    .gated = spec_.gated,
                    .wide = b.ffn_wide});
  ops_.linear(b.hidden, layer.ffn_out, b.ffn, Activation::none, true);
}

void Transformer::post_norm_block(const Layer& layer, const Buffers& b, const Pass& pass) {
  ops_.linear(b.qkv, layer.qkv, b.hidden, Activation::none, false);
  attention(layer, b, pass);
  ops_.norm(b.hidden, b.hidden, layer.attn_norm);
  ops_.linear(b.ffn, layer.ffn_in, b.hidden, spec_.activation, false);
  ops_.linear(b.hidden, layer.ffn_out, b.ffn, Activation::none, true);
  ops_.norm(b.hidden, b.hidden, layer.ffn_norm);
}

void Transformer::blocks(const Buffers& b, const Pass& pass) {
  for (const Layer& layer : layers_) spec_.post_norm ? post_norm_block(layer, b, pass) : block(layer, b, pass);
}

void Transformer::tune() {
  if (shape_.max_new_tokens == 0) return ops_.tune([this] { forward(); });
  if (shape_.in_steps()) {
    for (const int rows : Slots::sizes(shape_.slots.slots)) ops_.tune([this, rows] { step(rows, 0); });
    for (const int pieces : Slots::sizes(shape_.slots.most_pieces))
      ops_.tune([this, pieces] { step(shape_.slots.slots, pieces); });
    return;
  }
  // Decoding first: what both have in common, the head, is tuned for what runs more often.
  ops_.tune([this] {
    after_prompt();  // the same step again and again, not one beyond the cache
    decode();
  });
  ops_.tune([this] { prefill(); });
}

void Transformer::forward() {
  forward(shape_.rows);
}

void Transformer::forward(int64_t rows) {
  const Pass pass = whole_prompts(rows);
  const Buffers b = buffers(pass.tokens());
  ops_.embed(b.hidden, embedding_, head_of(input_, pass.tokens()), pass.prompt_positions);
  blocks(b, pass);
  const Tensor logits = head_of(logits_, pass.tokens());
  if (!spec_.has_head) {  // logits_ is the last hidden state
    if (spec_.final_norm) ops_.norm(logits, b.hidden, final_norm_);
    return;
  }
  ops_.norm_linear(logits, head_, b.hidden, {.norm = final_norm_, .normed = b.normed});
}

void Transformer::prefill() {
  const Pass pass = whole_prompts(shape_.rows);
  ops_.embed(buffers_.hidden, embedding_, input_, pass.prompt_positions);
  blocks(buffers_, pass);
  ops_.last_rows(last_hidden_, buffers_.hidden);
  after_prompt();
  next_tokens(last_hidden_, last_positions_);
}

// Decoding goes on behind the prompt.
void Transformer::after_prompt() {
  ops_.set_positions(last_positions_, static_cast<int32_t>(shape_.seq_len - 1));
}

void Transformer::decode() {
  const Pass pass{.decoding = shape_.rows, .positions = last_positions_};
  const Buffers b = buffers(pass.tokens());
  ops_.embed(b.hidden, embedding_, last_tokens_, last_positions_);
  blocks(b, pass);
  next_tokens(b.hidden, last_positions_);
}

void Transformer::step(int64_t rows, int64_t pieces) {
  const StepLayout at(shape_.slots);
  const int64_t tokens = pieces * shape_.slots.piece;
  const auto input = [this](int64_t first, int64_t count) { return rows_of(step_input_, first, count); };
  Pass pass{.decoding = rows, .positions = input(at.positions, rows)};
  if (pieces > 0) {
    pass.prompts = pieces;
    pass.length = shape_.slots.piece;
    pass.prompt_positions = input(at.piece_positions, tokens);
    pass.rows_of_pieces = input(at.piece_rows, pieces);
  }
  const Buffers b = buffers(pass.tokens());
  ops_.embed(head_of(b.hidden, rows), embedding_, head_of(last_tokens_, rows), pass.positions);
  if (pieces > 0)
    ops_.embed(rows_of(b.hidden, rows, tokens), embedding_, input(at.piece_tokens, tokens), pass.prompt_positions);
  blocks(b, pass);
  if (pieces == 0) return next_tokens(b.hidden, {});
  ops_.gather_rows(last_hidden_, b.hidden, input(at.outputs, rows));
  next_tokens(last_hidden_, {});
}

// `positions`: that move by one.
void Transformer::next_tokens(const Tensor& hidden, const Tensor& positions) {
  const int64_t rows = hidden.shape[0];
  const Tensor logits = head_of(logits_, rows), tokens = head_of(last_tokens_, rows);
  ops_.norm_linear(logits, head_, hidden, {.norm = final_norm_, .normed = hidden});
  ops_.argmax(tokens, logits, spec_.vocab_size);
  ops_.advance(positions, tokens, ring_);
}

}  // namespace cotenant
