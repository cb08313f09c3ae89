#pragma once

#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime.h>

// Three macros around calls of the CUDA runtime, the driver and cuBLASLt. A failure becomes an Error that names the
// operation, the call's text, and the CUDA error: "decode: cudaEventSynchronize(...): cudaErrorIllegalAddress (an
// illegal memory access was encountered)". `operation` is a text that is only built when something fails.
//
// For destructors there is no macro: they ignore what a call returns, since nothing can be done and nothing may throw.
namespace cotenant {

[[noreturn]] void throw_cuda_error(cudaError_t error, const char* operation, const char* call);
[[noreturn]] void throw_driver_error(CUresult error, const char* operation, const char* call);
[[noreturn]] void throw_cublas_error(cublasStatus_t status, const char* operation, const char* call);

}  // namespace cotenant

#define COTENANT_CUDA(operation, call)                            \
  do {                                                            \
    if (const cudaError_t error_ = (call); error_ != cudaSuccess) \
      ::cotenant::throw_cuda_error(error_, operation, #call);     \
  } while (false)

#define COTENANT_DRIVER(operation, call)                        \
  do {                                                          \
    if (const CUresult error_ = (call); error_ != CUDA_SUCCESS) \
      ::cotenant::throw_driver_error(error_, operation, #call); \
  } while (false)

#define COTENANT_CUBLAS(operation, call)                                         \
  do {                                                                           \
    if (const cublasStatus_t status_ = (call); status_ != CUBLAS_STATUS_SUCCESS) \
      ::cotenant::throw_cublas_error(status_, operation, #call);                 \
  } while (false)
