#include "engine/native/toolkit_library.h"

#include <dlfcn.h>
#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// Nothing where the variable is unset or empty: a relative path would mean another place in every directory.
void add_named(std::vector<fs::path>& paths, const char* variable, const fs::path& below = {}) {
  if (const char* value = std::getenv(variable); value && *value == '/') paths.push_back(fs::path(value) / below);
}

// The directories in a directory, in order of their names.
std::vector<fs::path> entries(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed))
    found.push_back(entry->path());
  std::ranges::sort(found);
  return found;
}

// PyPI's packages: <prefix>/lib/python3.11/site-packages/nvidia/cu13/lib, with Debian's own name for the third of
// these.
void add_packages(std::vector<fs::path>& directories, const fs::path& prefix) {
  for (const char* lib : {"lib", "lib64"})
    for (const fs::path& python : entries(prefix / lib)) {
      if (!python.filename().string().starts_with("python3")) continue;
      for (const char* packages : {"site-packages", "dist-packages"})
        for (const fs::path& package : entries(python / packages / "nvidia")) directories.push_back(package / "lib");
    }
}

}  // namespace

std::vector<fs::path> toolkit_directories() {
  std::vector<fs::path> toolkits, prefixes, directories;
  add_named(toolkits, "CUDA_HOME");
  add_named(toolkits, "CUDA_PATH");
  toolkits.emplace_back("/usr/local/cuda");
  for (const fs::path& toolkit : toolkits)
    for (const char* lib : {"lib64", "lib", "targets/x86_64-linux/lib", "extras/CUPTI/lib64"})
      directories.push_back(toolkit / lib);

  std::error_code failed;
  prefixes.push_back(fs::read_symlink("/proc/self/exe", failed).parent_path().parent_path());
  add_named(prefixes, "VIRTUAL_ENV");
  add_named(prefixes, "CONDA_PREFIX");
  add_named(prefixes, "HOME", ".local");
  for (const fs::path& prefix : prefixes) add_packages(directories, prefix);

  std::erase_if(directories, [&](const fs::path& directory) { return !fs::is_directory(directory, failed); });
  return directories;
}

bool open_toolkit_library(const std::string& soname) {
  return std::ranges::any_of(toolkit_directories(), [&](const fs::path& directory) {
    return dlopen((directory / soname).c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr;
  });
}

std::string loaded_from(const std::string& soname) {
  void* handle = dlopen(soname.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) return "";
  link_map* map = nullptr;
  const std::string file = dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 ? map->l_name : "";
  dlclose(handle);
  return file;
}

}  // namespace cotenant
