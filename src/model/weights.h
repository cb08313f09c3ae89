#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "model/model.h"

// A model's weights as Hugging Face stores them: model.safetensors, or shards that model.safetensors.index.json lists.
namespace cotenant {

// The tensors that an index takes from each shard. Throws usage_error, for a shard that is no plain name of a file too.
std::map<std::string, std::set<std::string>> parse_weights_index(std::string_view text, const std::string& where);

bool has_weights(const std::filesystem::path& directory);

// Finds every tensor of `spec` in the files. Names may carry the family's prefix ("transformer.") or not; gamma and
// beta of old files are taken for weight and bias, and the tensor of a tied head for the embeddings that were left out.
// Tensors of other heads are left alone, but a tensor of a layer that the architecture does not have is an error. Each
// tensor's shape is checked, and its dtype: F32, F16, BF16. Throws usage_error naming the file, the tensor, what was
// expected, what was found, and what to do.
Model load_weights(const ModelSpec& spec, const std::filesystem::path& directory);

}  // namespace cotenant
