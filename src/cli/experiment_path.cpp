#include "cli/experiment_path.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "base/printable.h"
#include "cli/outlet.h"
#include "config/load.h"
#include "config/overrides.h"
#include "results/own_directory.h"

namespace cotenant {

namespace fs = std::filesystem;

namespace {

// Not a directory, nor a file of results, nor the configuration that a run has kept beside them. It may be a pipe.
bool is_config_file(const fs::path& path) {
  std::error_code error;
  if (path.extension() != ".yaml" && is_result_file(path)) return false;
  return fs::exists(path, error) && !fs::is_directory(path, error) &&
         !fs::exists(path.parent_path() / "experiment.json", error);
}

// `directory`: of the results of `path`, as far as is known.
fs::path existing_directory(fs::path directory, const std::string& path) {
  std::error_code error;
  if (directory.has_relative_path() && directory.filename().empty()) directory = directory.parent_path();
  if (fs::is_directory(directory, error)) return directory;
  const fs::path incomplete = directory.string() + ".incomplete";
  if (fs::is_directory(incomplete, error)) {
    tell(fmt::format("cotenant: {} has no complete run; this is {}\n", printable(directory.string()),
                     printable(incomplete.string())));
    return incomplete;
  }
  if (directory != fs::path(path))
    throw usage_error(path, fmt::format("its experiment has not been run: there is no {}", directory.string()),
                      fmt::format("Run it first: cotenant run {}", path));
  throw usage_error(path, "there is no such file or directory",
                    "Give an experiment's directory (data/<experiment_name>) or its configuration file.");
}

}  // namespace

fs::path experiment_directory(const std::string& path) {
  if (is_config_file(path)) return existing_directory(load_config(path).out_dir, path);
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return existing_directory(path, path);
  const fs::path of_a_run = fs::path(path).parent_path();
  return existing_directory(of_a_run.empty() ? "." : of_a_run, path);
}

std::vector<fs::path> experiment_directories(const std::string& path, bool& of_sweep) {
  of_sweep = false;
  if (!is_config_file(path)) return {experiment_directory(path)};
  const ExperimentConfig config = load_config(path);
  if (config.vary.empty()) return {existing_directory(config.out_dir, path)};
  of_sweep = true;
  std::error_code error;
  std::vector<fs::path> found;
  std::vector<std::string> missing;
  for (const Variation& cell : grid_of(config.vary)) {
    const fs::path directory = parse_config(config.text, path, {.vary = cell.set, .suffix = cell.suffix}).out_dir;
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
    tell(fmt::format("cotenant: {} of the {} experiments of {} have not been run, {} among them\n", missing.size(),
                     missing.size() + found.size(), printable(path), printable(missing.front())));
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
