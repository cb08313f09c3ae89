#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

// Functions of the driver, asked of the runtime: the module is not linked with the driver, which need not be there.
namespace cotenant {

// nullptr where the driver has no such function in this toolkit's version.
template <typename Function>
Function find_driver_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
#if CUDART_VERSION >= 12050
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(name, &function, CUDART_VERSION, cudaEnableDefault, &found);
#else
  const cudaError_t error = cudaGetDriverEntryPoint(name, &function, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess) cudaGetLastError();  // not a later call's
  return error == cudaSuccess && found == cudaDriverEntryPointSuccess ? reinterpret_cast<Function>(function) : nullptr;
}

}  // namespace cotenant

// With the type that cuda.h declares; `name` is not expanded, because cuda.h maps some names to versions by macros.
#define COTENANT_DRIVER_FUNCTION(name) ::cotenant::find_driver_function<decltype(&::name)>(#name)
