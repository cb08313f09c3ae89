#pragma once

#include <filesystem>

#include "model/model.h"

// A model's weights as Hugging Face stores them: model.safetensors, or shards that model.safetensors.index.json lists.
namespace cotenant {

bool has_weights(const std::filesystem::path& directory);

// Maps the files and finds every tensor of `spec` in them. Names may carry the family's prefix ("transformer.") or not;
// gamma and beta of old files are taken for weight and bias. Tensors of other heads are left alone, but a tensor of a
// layer that the architecture does not have is an error. Each tensor's shape is checked, and its dtype: F32, F16, BF16.
// Throws usage_error naming the file, the tensor, what was expected, what was found, and what to do.
Model load_weights(const ModelSpec& spec, const std::filesystem::path& directory);

}  // namespace cotenant
