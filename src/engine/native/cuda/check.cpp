#include "engine/native/cuda/check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "engine/native/cuda/launch.h"

namespace cotenant {
namespace {

std::string remedy(bool out_of_memory) {
  return out_of_memory ? "Lower the batch size, the length or the number of tenants, use a smaller dtype, or raise "
                         "memory_limit (under mps "
                         "the process's context of some hundred MiB counts as well)."
                       : "";
}

}  // namespace

void throw_cuda_error(cudaError_t error, const char* operation, const char* call) {
  throw Error(ExitCode::internal, operation,
              fmt::format("{}: {} ({})", call, cudaGetErrorName(error), cudaGetErrorString(error)),
              remedy(error == cudaErrorMemoryAllocation));
}

// The driver's own texts would need its library at link time; the number's name is in cuda.h.
void throw_driver_error(CUresult error, const char* operation, const char* call) {
  throw Error(ExitCode::internal, operation, fmt::format("{}: driver error {}", call, static_cast<int>(error)),
              remedy(error == CUDA_ERROR_OUT_OF_MEMORY));
}

void throw_cublas_error(cublasStatus_t status, const char* operation, const char* call) {
  throw Error(ExitCode::internal, operation,
              fmt::format("{}: {} ({})", call, cublasLtGetStatusName(status), cublasLtGetStatusString(status)));
}

bool device_overlaps_launches() {
  int device = 0, major = 0;
  COTENANT_CUDA("launch", cudaGetDevice(&device));
  COTENANT_CUDA("launch", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major >= 9;
}

}  // namespace cotenant
