#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

// What the readers of config.json, safetensors and its index share. Only the sources of model/ include it.
namespace cotenant {

// Throws usage_error naming `where` and the place: not JSON, or a key that an object has twice.
nlohmann::json parse_json(std::string_view text, const std::string& where);

// A value as a message shows it: on one line, cut after 60 characters.
std::string shown(const nlohmann::json& value);

}  // namespace cotenant
