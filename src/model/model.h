#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/input_file.h"
#include "model/random.h"
#include "model/spec.h"

// A model: its architecture and where each weight is to be had. Every name, shape and dtype has been checked against
// the architecture by the time a Model exists; nobody behind it checks again.
namespace cotenant {

// One tensor of a file, or one that is to be generated.
struct TensorSource {
  std::string name;
  Dtype dtype = Dtype::f32;         // as stored
  std::vector<int64_t> shape;       // as stored, C order
  const InputFile* file = nullptr;  // that holds it; nullptr: generate by `fill`
  uint64_t offset = 0;              // of its first byte
  RandomFill fill;

  int64_t elements() const;
  bool exists() const { return !shape.empty(); }
};

// y = x W^T + b. `weights` are stacked along the outputs (q, k, v; gate, up), `biases` likewise, or none.
struct LinearSource {
  std::vector<TensorSource> weights;  // each [out_i, in], or [in, out_i] when in_out (GPT-2's Conv1D)
  std::vector<TensorSource> biases;   // each [out_i]; empty: no bias
  bool in_out = false;
  int64_t in = 0, out = 0;  // out: of all parts together
};

struct NormSource {
  TensorSource scale;  // [hidden] (or [head_dim]); does not exist: no such norm
  TensorSource shift;  // LayerNorm's bias; does not exist for RMSNorm
  bool exists() const { return scale.exists(); }
};

struct LayerSource {
  NormSource attn_norm;  // before attention; post_norm: after it
  LinearSource qkv;      // rows: q heads, then k heads, then v heads
  NormSource q_norm, k_norm;
  LinearSource attn_out;
  NormSource ffn_norm;
  LinearSource ffn_in;  // gated: rows: gate, then up
  LinearSource ffn_out;
};

struct Model {
  std::string name;    // as the user wrote it
  std::string origin;  // one line: "random weights (seed 0): no files of distilgpt2 found in ...", or the directory
  ModelSpec spec;

  TensorSource token_embedding;     // [vocab, hidden]
  TensorSource position_embedding;  // [max_positions + position_offset, hidden]; exists without rope
  TensorSource type_embedding;      // [token_types, hidden]; row 0 is used
  NormSource embedding_norm;
  std::vector<LayerSource> layers;
  NormSource final_norm;
  LinearSource head;  // a tied head names token_embedding's tensor again

  std::vector<std::shared_ptr<const InputFile>> files;  // those of the sources
};

// Converts `count` elements of a source, from `first` on, to float. Works for random sources too. Files are read, not
// mapped: one that is cut meanwhile, or a disk that fails, throws usage_error instead of ending the process.
void read_floats(const TensorSource& source, int64_t first, int64_t count, float* out);

}  // namespace cotenant
