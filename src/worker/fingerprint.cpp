#include "worker/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "base/error.h"

namespace cotenant {
namespace {

class Hash {
 public:
  void add(uint64_t value) { state_ = mix64(state_ ^ value); }
  void add(const std::string& text) {
    add(text.size());
    for (const char c : text) add(static_cast<unsigned char>(c));
  }
  std::string text() const { return fmt::format("{:016x}", state_); }

 private:
  uint64_t state_ = 0;
};

void add(Hash& hash, const TensorSource& tensor) {
  if (!tensor.exists()) return;
  constexpr int64_t pieces = 16, piece = 64;
  hash.add(tensor.name);
  for (const int64_t extent : tensor.shape) hash.add(static_cast<uint64_t>(extent));
  const int64_t count = std::min(piece, tensor.elements());
  std::array<float, piece> values{};
  for (int64_t i = 0; i < pieces; ++i) {
    read_floats(tensor, (tensor.elements() - count) * i / (pieces - 1), count, values.data());
    for (int64_t j = 0; j < count; ++j) hash.add(std::bit_cast<uint32_t>(values[static_cast<size_t>(j)]));
  }
}

void add(Hash& hash, const LinearSource& linear) {
  for (const TensorSource& tensor : linear.weights) add(hash, tensor);
  for (const TensorSource& tensor : linear.biases) add(hash, tensor);
}

void add(Hash& hash, const NormSource& norm) {
  add(hash, norm.scale);
  add(hash, norm.shift);
}

}  // namespace

std::string fingerprint(const Model& model) {
  Hash hash;
  for (const TensorSource* table : {&model.token_embedding, &model.position_embedding, &model.type_embedding})
    add(hash, *table);
  add(hash, model.embedding_norm);
  for (const LayerSource& layer : model.layers) {
    for (const NormSource* norm : {&layer.attn_norm, &layer.q_norm, &layer.k_norm, &layer.ffn_norm}) add(hash, *norm);
    for (const LinearSource* linear : {&layer.qkv, &layer.attn_out, &layer.ffn_in, &layer.ffn_out}) add(hash, *linear);
  }
  add(hash, model.final_norm);
  add(hash, model.head);
  return hash.text();
}

std::string fingerprint(std::span<const int32_t> tokens) {
  Hash hash;
  for (const int32_t token : tokens) hash.add(static_cast<uint32_t>(token));
  return hash.text();
}

std::string fingerprint_of_answer(Engine& engine, const Request& request) {
  if (!engine.submit(request)) throw internal_error("fingerprint", "an idle engine refused a request");
  std::vector<std::vector<int32_t>> rows(static_cast<size_t>(request.rows));
  for (;;)
    for (const Progress& progress : engine.step(std::numeric_limits<int64_t>::max())) {
      if (progress.status == Status::token) rows.at(static_cast<size_t>(progress.row)).push_back(progress.token);
      if (progress.status == Status::token || progress.status == Status::started) continue;
      std::vector<int32_t> tokens;
      for (const auto& row : rows) tokens.insert(tokens.end(), row.begin(), row.end());
      return fingerprint(tokens);
    }
}

}  // namespace cotenant
