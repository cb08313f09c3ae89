#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

// What the readers of config.json, safetensors and its index share. Only the sources of model/ include it.
namespace cotenant {

// Of two equal keys in one object: the last one counts, as for Python, or neither.
enum class Duplicates { last_counts, refused };

// Throws usage_error naming `where` and the place: not JSON, nested too deep, a key that an object has twice, or a file
// that git-lfs has not fetched.
nlohmann::json parse_json(std::string_view text, const std::string& where, Duplicates duplicates);

// Throws usage_error when the text is what git-lfs leaves in the place of a large file.
void refuse_lfs_pointer(std::string_view text, const std::string& where);

// A value as a message shows it: on one line, cut after 60 characters.
std::string shown(const nlohmann::json& value);

}  // namespace cotenant
