#include "model/spec.h"

#include <algorithm>

#include "model/assemble.h"

namespace cotenant {
namespace {

// Pairs of a query and a key that attention looks at in one sequence, of one head.
double visible_pairs(const ModelSpec& spec, int64_t seq_len) {
  const auto n = static_cast<double>(seq_len);
  if (!spec.causal) return n * n;
  // With a window w the first w - 1 tokens see fewer than w.
  const double w = spec.sliding_window > 0 ? static_cast<double>(std::min(spec.sliding_window, seq_len)) : n;
  return n * w - w * (w - 1) / 2;
}

}  // namespace

std::string_view to_string(Family family) {
  switch (family) {
    case Family::gpt2:
      return "gpt2";
    case Family::bert:
      return "bert";
    case Family::distilbert:
      return "distilbert";
    case Family::roberta:
      return "roberta";
    case Family::llama:
      return "llama";
    case Family::mistral:
      return "mistral";
    case Family::qwen2:
      return "qwen2";
    case Family::qwen3:
      return "qwen3";
  }
  return "?";
}

int64_t parameter_count(const ModelSpec& spec) {
  int64_t count = 0;
  assemble(spec, [&count](const TensorRequest& request) {
    TensorSource source;
    source.shape = request.shape;
    count += source.elements();
    return source;
  });
  return count;
}

double forward_flops(const ModelSpec& spec, int64_t rows, int64_t seq_len, bool head_on_last) {
  const auto tokens = static_cast<double>(rows * seq_len);
  const int64_t ffn_products = spec.gated ? 3 : 2;
  const auto weights_of_layer = static_cast<double>(spec.hidden * spec.qkv_width() + spec.q_width() * spec.hidden +
                                                    ffn_products * spec.hidden * spec.intermediate);
  // Scores and their weighted sum of values: two products per pair.
  const double attention = 4 * static_cast<double>(rows * spec.q_width()) * visible_pairs(spec, seq_len);
  double flops = static_cast<double>(spec.layers) * (2 * tokens * weights_of_layer + attention);
  if (spec.has_head)
    flops +=
        2 * static_cast<double>(spec.hidden * spec.vocab_size) * (head_on_last ? static_cast<double>(rows) : tokens);
  return flops;
}

}  // namespace cotenant
