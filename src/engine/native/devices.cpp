#include "engine/native/devices.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/version.h"
#ifdef COTENANT_HAVE_ONEDNN
#include "engine/native/cpu/cpu_ops.h"
#endif

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The path of the module, or an empty one.
fs::path find_cuda_module() {
  if (const char* named = std::getenv("COTENANT_CUDA_MODULE")) return named;
  std::error_code failed;
  const fs::path directory = fs::read_symlink("/proc/self/exe", failed).parent_path();
  for (const char* relative : {"cotenant_cuda.so", "../lib/cotenant/cotenant_cuda.so"})
    if (const fs::path path = directory / relative; fs::exists(path, failed)) return path;
  return {};
}

// Stays open until the process ends: programs and memory of the module live as long as their engines.
const CudaModule& open_cuda_module() {
  const fs::path path = find_cuda_module();
  if (path.empty())
    throw usage_error("device cuda", "this build has no CUDA engine",
                      "Build on a machine with a CUDA toolkit (12.4 or later; nvcc on PATH), or use device: cpu.");
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) throw usage_error(path.string(), fmt::format("the CUDA engine cannot be loaded: {}", dlerror()));
  const auto function = reinterpret_cast<CudaModuleFunction>(dlsym(handle, cuda_module_symbol));
  if (!function) throw usage_error(path.string(), "is not a CUDA engine of cotenant");
  const CudaModule* module = function();
  if (std::string_view(module->version) != version())
    throw usage_error(path.string(),
                      fmt::format("belongs to cotenant {}, this program is {}", module->version, version()),
                      "Build or install both together.");
  return *module;
}

const CudaModule& cuda_module() {
  static const CudaModule& module = open_cuda_module();
  return module;
}

}  // namespace

std::unique_ptr<Ops> make_ops(const OpsOptions& options) {
  if (options.device.starts_with("cuda")) return cuda_module().make_ops(options);
  if (options.device != "cpu")
    throw usage_error("device", fmt::format("expected cpu, cuda or cuda:N, found '{}'", options.device));
#ifdef COTENANT_HAVE_ONEDNN
  return make_cpu_ops(options);
#else
  throw usage_error("device cpu", "this build has no CPU engine",
                    "Install oneDNN (apt-get install libdnnl-dev) and build again.");
#endif
}

std::vector<std::shared_ptr<const DeviceShare>> split_device(const std::string& device,
                                                             const std::vector<int>& groups) {
  return cuda_module().split(device, groups);
}

std::unique_ptr<StressLoad> make_stress_load(const StressLoadOptions& options) {
  if (!options.device.starts_with("cuda"))
    throw usage_error("stress.kind", fmt::format("loads a CUDA device, and the device is {}", options.device),
                      "Use device: cuda, or the kinds sleep and spin, which need no device.");
  return cuda_module().make_stressor(options);
}

bool has_cpu_engine() {
#ifdef COTENANT_HAVE_ONEDNN
  return true;
#else
  return false;
#endif
}

bool cpu_engine_has([[maybe_unused]] Dtype dtype) {
#ifdef COTENANT_HAVE_ONEDNN
  return cpu_computes_in(dtype);
#else
  return false;
#endif
}

CudaStatus cuda_status() {
  try {
    return cuda_module().status();
  } catch (const Error& e) {
    CudaStatus status;
    status.problem = e.what();
    return status;
  }
}

std::string cuda_version(int version) {
  return version == 0 ? "" : fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace cotenant
