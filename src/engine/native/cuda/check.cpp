#include "engine/native/cuda/check.h"

#include <fmt/format.h>

#include "base/error.h"
#include "engine/native/cuda/driver_function.h"
#include "engine/native/cuda/launch.h"

namespace cotenant {
namespace {

constexpr const char* less_memory =
    "Lower the batch size, the length or the number of tenants, use a smaller dtype, or raise memory_limit (under mps "
    "the process's context of some hundred MiB counts as well).";

const char* remedy(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return less_memory;
    case cudaErrorDevicesUnavailable:  // what a client too many gets on an H100
    case cudaErrorMpsMaxClientsReached:
    case cudaErrorMpsMaxConnectionsReached:
      return "Under mps: use fewer tenants, a device takes about 48 to 60 clients. Else another program has the device "
             "for "
             "itself (compute mode in nvidia-smi -q).";
    default:
      return "";
  }
}

}  // namespace

void throw_cuda_error(cudaError_t error, const char* operation, const char* call) {
  throw Error(ExitCode::internal, operation,
              fmt::format("{}: {} ({})", call, cudaGetErrorName(error), cudaGetErrorString(error)), remedy(error));
}

void throw_driver_error(CUresult error, const char* operation, const char* call) {
  const char *name = nullptr, *text = nullptr;
  if (const auto name_of = COTENANT_DRIVER_FUNCTION(cuGetErrorName)) name_of(error, &name);
  if (const auto text_of = COTENANT_DRIVER_FUNCTION(cuGetErrorString)) text_of(error, &text);
  throw Error(ExitCode::internal, operation,
              fmt::format("{}: {} ({})", call, name ? name : fmt::format("driver error {}", static_cast<int>(error)),
                          text ? text : "the driver names it not"),
              error == CUDA_ERROR_OUT_OF_MEMORY ? less_memory : "");
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
