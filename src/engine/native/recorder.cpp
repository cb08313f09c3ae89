#include "engine/native/recorder.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/version.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInstall =
    "CUPTI comes with the CUDA toolkit (NVIDIA's package cuda-cupti-dev-<version>, or pip's nvidia-cuda-cupti): build "
    "where it is installed, with libcupti on the library path.";

fs::path find_module() {
  if (const char* named = std::getenv("COTENANT_CUPTI_MODULE")) return named;
  std::error_code failed;
  const fs::path directory = fs::read_symlink("/proc/self/exe", failed).parent_path();
  for (const char* relative : {"cotenant_cupti.so", "../lib/cotenant/cotenant_cupti.so"})
    if (const fs::path path = directory / relative; fs::exists(path, failed)) return path;
  return {};
}

const CuptiModule& open_module() {
  const fs::path path = find_module();
  if (path.empty())
    throw usage_error("profile", "this build cannot record kernels: it was made without CUPTI", kInstall);
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    throw usage_error(path.string(), fmt::format("the recorder of kernels cannot be loaded: {}", dlerror()), kInstall);
  const auto function = reinterpret_cast<CuptiModuleFunction>(dlsym(handle, cupti_module_symbol));
  if (!function) throw usage_error(path.string(), "is not a recorder of cotenant");
  const CuptiModule* module = function();
  if (std::string_view(module->version) != version())
    throw usage_error(path.string(),
                      fmt::format("belongs to cotenant {}, this program is {}", module->version, version()),
                      "Build or install both together.");
  return *module;
}

}  // namespace

const CuptiModule& cupti_module() {
  static const CuptiModule& module = open_module();
  return module;
}

}  // namespace cotenant
