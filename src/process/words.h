#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

// Arguments as a part of a line and back: tabs stand between them, and they may hold tabs and newlines themselves.
std::string joined(const std::vector<std::string>& arguments);
std::vector<std::string> split(std::string_view text);

}  // namespace cotenant
