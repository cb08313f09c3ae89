#include "engine/native/devices.h"

#include <fmt/format.h>

#include "base/error.h"
#include "engine/native/module.h"
#include "engine/native/toolkit_library.h"
#ifdef COTENANT_HAVE_ONEDNN
#include "engine/native/cpu/cpu_ops.h"
#endif

namespace cotenant {
namespace {

std::string cublaslt() {
  return fmt::format("libcublasLt.so.{}", COTENANT_CUDA_MAJOR);
}

std::string cuda_remedy() {
  if (COTENANT_CUDA_MAJOR == 0)
    return "Build where a CUDA toolkit (12.4 or later; nvcc on PATH) and its libraries are, or use device: cpu.";
  return fmt::format(
      "It needs cuBLASLt of CUDA {}: install that toolkit, set CUDA_HOME to where it is, or pip install "
      "'cotenant[cuda{}]'. Or use device: cpu.",
      COTENANT_CUDA_MAJOR, COTENANT_CUDA_MAJOR == 12 ? "12" : "");
}

const CudaModule& cuda_module() {
  static const CudaModule* const module = open_module<CudaModuleFunction>({.name = "cotenant_cuda.so",
                                                                           .variable = "COTENANT_CUDA_MODULE",
                                                                           .symbol = cuda_module_symbol,
                                                                           .libraries = {cublaslt()},
                                                                           .what = "the CUDA engine",
                                                                           .missing = "this build has no CUDA engine",
                                                                           .remedy = cuda_remedy()});
  return *module;
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

std::string cuda_library() {
  return loaded_from(cublaslt());
}

std::string cuda_version(int version) {
  return version == 0 ? "" : fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace cotenant
