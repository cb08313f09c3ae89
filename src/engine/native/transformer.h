#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/native/ops.h"
#include "engine/native/slots.h"
#include "model/model.h"

// The one transformer: GPT-2, BERT, DistilBERT, RoBERTa, Llama, Mistral and Qwen are data to it (model/spec.h).
namespace cotenant {

struct PassShape {
  int64_t rows = 1;            // sequences in a batch
  int64_t seq_len = 1;         // tokens of a sequence (of the prompt when generating)
  int64_t max_new_tokens = 0;  // 0: forward only, no KV cache
  // Continuous batching, in steps instead of prefill and decode; rows is 1 then. slots 0: none.
  SlotShape slots = {};

  bool in_steps() const { return slots.slots > 0; }
  int64_t sequences() const { return in_steps() ? slots.slots : rows; }  // that are decoded at once
};

class Transformer {
 public:
  // Allocates every buffer and hands every weight to `ops`; with a dry-run Ops this only counts. `model` and `ops` must
  // outlive it. Throws usage_error when the shape does not fit the model (length, generating with an encoder).
  Transformer(Ops& ops, const Model& model, PassShape shape);

  void tune();  // Ops::tune for each of its passes

  // The passes, for Ops::record.
  void forward();  // input() -> logits(): all logits of rows x seq_len, or the hidden states of an encoder
  // Of the first `rows` <= PassShape::rows sequences only.
  void forward(int64_t rows);
  void prefill();  // input() -> the KV cache and the first token of each row into ring()
  void decode();   // the last tokens -> the next ones, into ring(); the position moves by itself
  // step_input() and the last tokens -> the next token of each slot, into ring(). With pieces, rows is all slots.
  void step(int64_t rows, int64_t pieces);

  const Tensor& input() const { return input_; }  // i32 [rows * seq_len]
  const Tensor& step_input() const {
    return step_input_;
  }                                                // i32, StepLayout; a step without pieces reads its positions
  const TokenRing& ring() const { return ring_; }  // slots >= max_new_tokens
  // i32 [rows]: what decode() goes on from, and then its choices. Generating only.
  const Tensor& last_tokens() const { return last_tokens_; }
  // forward: [rows * seq_len, padded vocab], or [rows * seq_len, hidden] of an encoder; generating: the last pass's
  // [rows or slots, padded vocab].
  const Tensor& logits() const { return logits_; }
  int64_t logits_width() const { return logits_width_; }  // without the padding

 private:
  struct Layer {
    Norm attn_norm, ffn_norm;
    Weight qkv, attn_out, ffn_in, ffn_out;
    QkTransform transform;
    KvCache cache;
  };
  // Views of the activation buffers for one number of tokens.
  struct Buffers {
    Tensor hidden, normed, qkv, context, ffn_wide, ffn;
  };

  // The tokens of a pass: first those that sequences decode, one of each, and then prompts, whole ones or in pieces.
  struct Pass {
    int64_t decoding = 0;       // tokens
    Tensor positions{};         // i32 [decoding]
    int64_t prompts = 0;        // sequences
    int64_t length = 0;         // tokens of each
    Tensor prompt_positions{};  // i32 [prompts * length]
    Tensor rows_of_pieces{};    // i32 [prompts], in the KV cache; empty: whole prompts

    int64_t tokens() const { return decoding + prompts * length; }
  };

  Norm make_norm(const NormSource& source);
  Buffers buffers(int64_t tokens) const;
  Pass whole_prompts(int64_t rows) const;
  void blocks(const Buffers& buffers, const Pass& pass);
  void block(const Layer& layer, const Buffers& buffers, const Pass& pass);            // norms before
  void post_norm_block(const Layer& layer, const Buffers& buffers, const Pass& pass);  // norms after
  void attention(const Layer& layer, const Buffers& buffers, const Pass& pass);        // from qkv on
  void after_prompt();
  void next_tokens(const Tensor& hidden, const Tensor& positions);

  Ops& ops_;
  const ModelSpec spec_;
  const PassShape shape_;
  Attention attention_;

  Embedding embedding_;
  Norm final_norm_;
  std::vector<Layer> layers_;
  Weight head_;

  Buffers buffers_;  // for rows * seq_len tokens
  Tensor input_;     // i32 [rows * seq_len]
  Tensor step_input_;
  Tensor positions_;       // i32 [rows * seq_len]: 0 .. seq_len-1 in every row
  Tensor last_tokens_;     // i32 [rows]
  Tensor last_positions_;  // i32 [rows]
  Tensor last_hidden_;     // [rows, hidden]
  Tensor logits_;
  int64_t logits_width_ = 0;
  TokenRing ring_;
};

}  // namespace cotenant
