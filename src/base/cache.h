#pragma once

#include <filesystem>
#include <string>

// What is worth keeping between runs, and can be made anew: one directory of the user's.
namespace cotenant {

// $XDG_CACHE_HOME/cotenant, else ~/.cache/cotenant; empty: neither variable is set.
std::filesystem::path cache_directory();

// A file's name made of a text for people, such as a device's: "NVIDIA H100" becomes "nvidia-h100".
std::string cache_name(const std::string& text);

// Replaces the file whole, and makes the directories above it. Returns whether it could; leaves nothing half done.
bool replace_cache_file(const std::filesystem::path& file, const std::string& text);

}  // namespace cotenant
