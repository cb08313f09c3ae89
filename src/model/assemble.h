#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

// The one place that knows which tensors an architecture consists of, what they are called and how they are shaped.
// Files, random weights and the counting of parameters all go through it, so they cannot disagree.
namespace cotenant {

enum class TensorRole : uint8_t { matrix, norm_scale, bias };

// A tensor that an architecture needs.
struct TensorRequest {
  std::string name;            // Hugging Face's, without the model's prefix: "h.0.attn.c_attn.weight"
  std::vector<int64_t> shape;  // C order, as Hugging Face stores it
  TensorRole role = TensorRole::matrix;
};

// Answers with the tensor, of exactly the shape asked for, or throws.
using TensorProvider = std::function<TensorSource(const TensorRequest&)>;

// Asks `provide` for every tensor of `spec`, in the order of a pass. A tied head is not asked for: it names the token
// embedding again. Name, origin and files of the model are left to the caller.
Model assemble(const ModelSpec& spec, const TensorProvider& provide);

// What files may put before the names of TensorRequest: "transformer." of GPT-2, "model." of Llama; never before the
// head's.
std::string_view tensor_prefix(Family family);

bool is_token_embedding(std::string_view name, Family family);  // "wte.weight" of GPT-2

// What the names of all layers start with, "h." of GPT-2: a file's tensor of such a name that nobody asked for means
// that the file holds another architecture.
std::string_view layer_prefix(Family family);

}  // namespace cotenant
