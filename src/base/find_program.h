#pragma once

#include <optional>
#include <string>

namespace cotenant {

// The first executable file of this name on PATH. Relative entries of PATH are passed over: nothing is run only because
// it lies in the current directory.
std::optional<std::string> find_program(const std::string& name);

}  // namespace cotenant
