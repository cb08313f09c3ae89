#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cotenant {

// The *.yaml files of configs/<folder>, sorted; of configs/ and everything below it without a folder.
std::vector<std::filesystem::path> shipped_configs(const std::string& folder = "");

std::string read_text(const std::filesystem::path& path);

}  // namespace cotenant
