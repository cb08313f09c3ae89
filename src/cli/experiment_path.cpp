#include "cli/experiment_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "config/load.h"
#include "config/overrides.h"

namespace cotenant {

namespace fs = std::filesystem;

fs::path experiment_directory(const std::string& path) {
  std::error_code error;
  fs::path directory = path;
  if (fs::is_regular_file(directory, error)) {
    const bool of_a_run = fs::exists(directory.parent_path() / "experiment.json", error);
    directory = of_a_run ? directory.parent_path() : fs::path(load_config(path).out_dir);
    if (directory.empty()) directory = ".";
  }
  if (directory.has_relative_path() && directory.filename().empty()) directory = directory.parent_path();
  if (fs::is_directory(directory, error)) return directory;
  const fs::path incomplete = directory.string() + ".incomplete";
  if (fs::is_directory(incomplete, error)) {
    fmt::print(stderr, "cotenant: {} has no complete run; this is {}\n", directory.string(), incomplete.string());
    return incomplete;
  }
  if (directory != fs::path(path))
    throw usage_error(path, fmt::format("its experiment has not been run: there is no {}", directory.string()),
                      fmt::format("Run it first: cotenant run {}", path));
  throw usage_error(path, "there is no such file or directory",
                    "Give an experiment's directory (data/<experiment_name>) or its configuration file.");
}

std::vector<fs::path> experiment_directories(const std::string& path, bool& of_sweep) {
  of_sweep = false;
  std::error_code error;
  const fs::path file = path;
  const bool is_config = fs::is_regular_file(file, error) && !fs::exists(file.parent_path() / "experiment.json", error);
  const auto axes = is_config ? load_config(path).vary : std::vector<VaryAxis>();
  if (axes.empty()) return {experiment_directory(path)};
  of_sweep = true;
  std::vector<fs::path> found;
  std::vector<std::string> missing;
  for (const Variation& cell : grid_of(axes)) {
    const fs::path directory = load_config(path, {.vary = cell.set, .suffix = cell.suffix}).out_dir;
    if (fs::is_directory(directory, error))
      found.push_back(directory);
    else
      missing.push_back(directory.string());
  }
  if (found.empty())
    throw usage_error(
        path, fmt::format("none of its {} experiments has been run: there is no {}", missing.size(), missing.front()),
        fmt::format("Run them first: cotenant run {}", path));
  if (!missing.empty())
    fmt::print(stderr, "cotenant: {} of the {} experiments of {} have not been run, {} among them\n", missing.size(),
               missing.size() + found.size(), path, missing.front());
  return found;
}

std::string command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string line{std::istreambuf_iterator<char>(file), {}};
  if (!line.empty()) line.pop_back();
  std::ranges::replace(line, '\0', ' ');
  return line;
}

}  // namespace cotenant
