#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/native/cuda/handles.h"
#include "engine/native/cuda_module.h"

namespace cotenant {

// What the engine asks of a device: read from it, never assumed.
struct DeviceFacts {
  int ordinal = 0;
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int sms = 0;               // that work can use: an MPS share or a green context lowers it
  size_t l2_bytes = 0;
  size_t shared_bytes_per_block = 0;  // with opt-in
};

// "cuda" is the first device, "cuda:N" the N-th. Makes it the calling thread's device. Throws usage_error: not such a
// name, no driver, a driver older than this build's runtime, no such device, a device this build has no code for. With
// a share, its multiprocessors are the facts' `sms`.
DeviceFacts open_device(const std::string& device, const DeviceShare* share = nullptr);

// The same without a context: what is asked takes no memory of the device and is listed nowhere. The thread's device
// stays what it was.
DeviceFacts examine_device(const std::string& device, const DeviceShare* share = nullptr);

CudaStatus query_status();

// Whether code for these architectures ("80-real 86-real 90", as CMake names them) runs on a device of a compute
// capability: a binary within its major version, PTX on all newer ones. True where CMake was left to choose ("native").
bool architectures_cover(std::string_view architectures, int major, int minor);

// Memory of the current device. Throws usage_error "needs 15.2 GiB, 9.8 GiB free" when it has less, or when the limit
// (0: none) is less. Nobody asks first what is free: another tenant might take it before this one does.
DeviceMemory take_memory(const std::string& device, size_t bytes, size_t limit_bytes);

}  // namespace cotenant
