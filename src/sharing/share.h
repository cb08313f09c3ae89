#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cotenant {

// Variables of a process's environment.
using Environment = std::vector<std::pair<std::string, std::string>>;

}  // namespace cotenant
