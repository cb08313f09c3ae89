#pragma once

#include <optional>
#include <string>

namespace cotenant {

// The first executable file of this name on PATH.
std::optional<std::string> find_program(const std::string& name);

}  // namespace cotenant
