#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/native/cuda_module.h"
#include "engine/native/ops.h"
#include "engine/stress/load.h"

// From a device's name to its Ops. The CPU's are linked in; CUDA's are opened with dlopen when first asked for: the
// file COTENANT_CUDA_MODULE names, else cotenant_cuda.so beside the executable, else ../lib/cotenant/cotenant_cuda.so.
namespace cotenant {

// Throws usage_error when this build or this machine has no such device.
std::unique_ptr<Ops> make_ops(const OpsOptions& options);

// Disjoint parts of a CUDA device, element i of groups[i] of the groups that CudaDevice::sm_groups counts. Throws
// usage_error where that cannot be.
std::vector<std::shared_ptr<const DeviceShare>> split_device(const std::string& device, const std::vector<int>& groups);

// A load on a resource of a CUDA device. Throws usage_error on the CPU, which has none of these resources, and when
// this machine has no such device.
std::unique_ptr<StressLoad> make_stress_load(const StressLoadOptions& options);

// Whether this build can compute on the CPU (oneDNN was there).
bool has_cpu_engine();

// Whether the CPU engine computes in `dtype` on this machine.
bool cpu_engine_has(Dtype dtype);

// What of CUDA can be used here. Never throws: a missing module is a `problem`, too.
CudaStatus cuda_status();

// The file of cuBLASLt that the CUDA engine took; empty: it has not been opened, or cannot be.
std::string cuda_library();

// A version as CUDA counts it, for people: "13.0" of 13000; empty of 0.
std::string cuda_version(int version);

}  // namespace cotenant
