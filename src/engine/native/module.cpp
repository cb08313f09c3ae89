#include "engine/native/module.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/version.h"
#include "engine/native/toolkit_library.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// An empty path: there is none.
fs::path find_module(const ModuleFile& file) {
  if (const char* named = std::getenv(file.variable)) return named;
  std::error_code failed;
  const fs::path directory = fs::read_symlink("/proc/self/exe", failed).parent_path();
  for (const fs::path& folder : {directory, directory / "../lib/cotenant"})
    if (fs::exists(folder / file.name, failed)) return folder / file.name;
  return {};
}

void* open_with_libraries(const fs::path& path, const std::vector<std::string>& libraries) {
  if (void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  for (const std::string& library : libraries) open_toolkit_library(library);
  return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}

}  // namespace

void* open_module_function(const ModuleFile& file) {
  const fs::path path = find_module(file);
  if (path.empty()) throw usage_error(file.name, file.missing, file.remedy);
  void* handle = open_with_libraries(path, file.libraries);
  if (!handle)
    throw usage_error(path.string(), fmt::format("{} cannot be loaded: {}", file.what, dlerror()), file.remedy);
  void* function = dlsym(handle, file.symbol);
  if (!function) throw usage_error(path.string(), fmt::format("is not {} of cotenant", file.what));
  return function;
}

void require_same_version(const ModuleFile& file, const char* module_version) {
  if (std::string_view(module_version) == version()) return;
  throw usage_error(find_module(file).string(),
                    fmt::format("belongs to cotenant {}, this program is {}", module_version, version()),
                    "Build or install both together.");
}

}  // namespace cotenant
