#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

// The directory of an experiment, given as that directory or as a configuration file (whose out_dir it then is). Falls
// back on "<directory>.incomplete", with a notice on stderr. Throws usage_error when there is neither.
std::filesystem::path experiment_directory(const std::string& path);

// The same for a configuration file with the key vary: the directories of all cells that have been run, in order, with
// a notice on stderr about the others. Throws usage_error when none has. One directory for everything else; `of_sweep`
// says which it was.
std::vector<std::filesystem::path> experiment_directories(const std::string& path, bool& of_sweep);

// This program's command line as it was typed, near enough to be typed again.
std::string command_line();

}  // namespace cotenant
