#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "engine/native/ops.h"
#include "engine/stress/load.h"

// What the CUDA engine's shared object (cotenant_cuda.so) exports: one C function that returns one table. Both sides
// are built from this header by one build; `version` guards against a stale module beside a newer program.
namespace cotenant {

struct CudaDevice {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-..."
  int compute_major = 0, compute_minor = 0;
  int sms = 0;        // as this process sees them: an MPS share lowers it
  int sm_groups = 0;  // into which green contexts can divide them; 0: the driver or the chip has no green contexts
  size_t total_bytes = 0;
  std::string problem, remedy;  // why it cannot be used, and what to do; empty: it can
};

// What the machine has. Never throws: what is wrong is told in `problem`.
struct CudaStatus {
  int driver_version = 0;  // as cudaDriverGetVersion: 13000 is 13.0; 0: no driver
  std::vector<CudaDevice> devices;
  std::string problem;  // one line and what to do about it; empty when devices can be used
};

struct CudaModule {
  const char* version;  // cotenant::version() of the module's build
  CudaStatus (*status)();
  std::unique_ptr<Ops> (*make_ops)(const OpsOptions& options);  // throws Error
  std::vector<std::shared_ptr<const DeviceShare>> (*split)(const std::string& device, const std::vector<int>& groups);
  std::unique_ptr<StressLoad> (*make_stressor)(const StressLoadOptions& options);  // throws Error
};

// The name and type of the exported function.
inline constexpr const char* cuda_module_symbol = "cotenant_cuda_module";
using CudaModuleFunction = const CudaModule* (*)();

}  // namespace cotenant
