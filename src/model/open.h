#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/model.h"

namespace cotenant {

// Finds, reads and validates a model.
//   name     a directory, a name in the Hugging Face cache (model/hub.h) or a
//            known name whose architecture is built in (model/presets.h)
//   weights  "auto": the files, or else random weights of the known architecture; "random": never read weights (the
//            config.json of a directory is still read); else the path of a directory
//   seed     of random weights
// Throws usage_error: unknown model (with the nearest names), unsupported architecture, missing or damaged files.
Model open_model(const std::string& name, const std::string& weights, uint64_t seed);

// The architecture alone, without looking at any weight file. Same lookup and errors.
ModelSpec open_spec(const std::string& name, const std::string& weights);

// A model of the given architecture with random weights: linear and embedding U(-0.035, 0.035) (the standard deviation
// 0.02 of Hugging Face's initialisers), norm scales near 1, biases near 0 but not 0.
Model random_model(const ModelSpec& spec, uint64_t seed);

}  // namespace cotenant
