#include "cli/experiment_path.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "config/load.h"

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

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
}

namespace {

[[noreturn]] void refuse_output() {
  throw usage_error("standard output", std::string("cannot be written: ") + std::strerror(errno),
                    "Free some space, or send it elsewhere.");
}

}  // namespace

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) refuse_output();
}

void flush_output() {
  if (std::fflush(stdout) != 0) refuse_output();
}

void print_all(std::string_view text) {
  print(text);
  flush_output();
}

}  // namespace cotenant
