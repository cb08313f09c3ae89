#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "model/spec.h"

// Hugging Face's config.json, in the spellings of Transformers 4 (rope_theta, rope_scaling) and 5 (rope_parameters).
// Keys that do not change what is computed are not looked at; those that would change it in a way that cotenant does
// not know are refused. Defaults are those of Transformers' configuration classes. Of a key that stands twice
// the last counts, and NaN and Infinity may stand where no number is wanted, as with Python.
namespace cotenant {

// `where` names the file in errors. Throws usage_error: not JSON, a missing or impossible value, an architecture that
// is not supported.
ModelSpec parse_config_json(std::string_view text, const std::string& where);

ModelSpec read_config_json(const std::filesystem::path& file);

}  // namespace cotenant
