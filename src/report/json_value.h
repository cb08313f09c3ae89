#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/printable.h"

// Values of the reports' JSON for programs: what is unknown, not finite or empty is null.
namespace cotenant {

using Json = nlohmann::ordered_json;

inline Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json();
}

inline Json number(const std::optional<double>& value) {
  return value ? number(*value) : Json();
}

inline Json text(const std::string& value) {
  return value.empty() ? Json() : Json(value);
}

// Indented, for standard output or a file.
inline std::string text_of(const Json& json) {
  return printable_json(json.dump(2, ' ', false, Json::error_handler_t::replace)) + "\n";
}

}  // namespace cotenant
