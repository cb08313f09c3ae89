#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <utility>

#include "engine/native/cuda/check.h"

// Owners of CUDA's handles and memory: move-only, each destroyed by the call it is declared with.
namespace cotenant {

template <typename Handle, auto destroy>
class Owned {
 public:
  Owned() = default;
  explicit Owned(Handle handle) : handle_(handle) {}
  Owned(Owned&& other) noexcept : handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, Handle{});
    }
    return *this;
  }
  ~Owned() { reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  void reset() {
    if (handle_ != Handle{}) destroy(std::exchange(handle_, Handle{}));
  }

 private:
  Handle handle_{};
};

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using GraphExec = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;
using DeviceMemory = Owned<void*, cudaFree>;
using PinnedMemory = Owned<void*, cudaFreeHost>;  // readable and writable by the device at the same address
using LtHandle = Owned<cublasLtHandle_t, cublasLtDestroy>;
using LtMatmulDesc = Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using LtLayout = Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using LtPreference = Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

inline Stream make_stream() {
  cudaStream_t stream = nullptr;
  COTENANT_CUDA("make a stream", cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return Stream(stream);
}

// flags: cudaEventDefault (with time), cudaEventBlockingSync, cudaEventDisableTiming
inline Event make_event(unsigned flags = cudaEventDefault) {
  cudaEvent_t event = nullptr;
  COTENANT_CUDA("make an event", cudaEventCreateWithFlags(&event, flags));
  return Event(event);
}

inline DeviceMemory allocate_device(size_t bytes) {
  void* data = nullptr;
  COTENANT_CUDA("allocate device memory", cudaMalloc(&data, bytes));
  return DeviceMemory(data);
}

inline PinnedMemory allocate_pinned(size_t bytes) {
  void* data = nullptr;
  COTENANT_CUDA("allocate pinned memory", cudaHostAlloc(&data, bytes, cudaHostAllocMapped));
  return PinnedMemory(data);
}

}  // namespace cotenant
