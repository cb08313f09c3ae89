#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "base/dtype.h"
#include "base/error.h"
#include "engine/native/cuda/check.h"
#include "engine/native/ops.h"

// How kernels are launched: so that, from compute capability 9.0 on, a kernel's blocks may already be on the
// multiprocessors while its predecessor in the stream is still finishing ("programmatic dependent launch"). That hides
// most of the microsecond or two between kernels, in graphs as well. The rules for a kernel launched by launch():
//
// - Every thread calls wait_for_predecessor() before it reads anything an earlier kernel writes and before it writes
//   anything at all; every block calls it before it ends. Before it a kernel may only read what no kernel of a pass
//   writes: weights, tables, its arguments.
// - let_successor_start() may be called at any time, best at the start: it lets the next kernel's blocks become
//   resident when all blocks of this one are; it promises nothing about memory.
namespace cotenant {

// Whether the current device can overlap a kernel with its predecessor.
bool device_overlaps_launches();

template <typename... Params, typename... Args>
void launch(const char* operation, cudaStream_t stream, void (*kernel)(Params...), dim3 grid, dim3 block,
            size_t shared_bytes, Args... args) {
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &overlap;
  config.numAttrs = device_overlaps_launches() ? 1 : 0;
  COTENANT_CUDA(operation, cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...));
}

template <typename T>
T* pointer(const Tensor& tensor) {
  return static_cast<T*>(tensor.data);
}

// Calls f with a value of the C++ type of `dtype`: float, __half or __nv_bfloat16.
template <typename F>
void with_type(Dtype dtype, F&& f) {
  switch (dtype) {
    case Dtype::f32:
      return f(float{});
    case Dtype::f16:
      return f(__half{});
    case Dtype::bf16:
      return f(__nv_bfloat16{});
    case Dtype::i32:
      break;
  }
  throw internal_error("with_type", "no kernel computes on integers");
}

#ifdef __CUDACC__
__device__ inline void wait_for_predecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ inline void let_successor_start() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
#endif

}  // namespace cotenant
