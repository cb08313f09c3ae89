#pragma once

#include <filesystem>
#include <string>

namespace cotenant {

// Makes it, and what is above it, where it does not exist. Throws usage_error, with the system's reason.
void make_directory(const std::filesystem::path& path, const std::string& remedy = "Choose another --out.");

}  // namespace cotenant
