#include "engine/native/cuda/stream.h"

#include <algorithm>

#include "engine/native/cuda/green_share.h"

namespace cotenant {

int stream_priority(int priority) {
  int least = 0, greatest = 0;
  COTENANT_CUDA("make a stream", cudaDeviceGetStreamPriorityRange(&least, &greatest));
  return std::clamp(-priority, greatest, least);
}

Stream make_stream_on(const DeviceShare* share, int priority) {
  if (share) return static_cast<const GreenShare*>(share)->make_stream(priority);
  cudaStream_t stream = nullptr;
  COTENANT_CUDA("make a stream",
                cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, stream_priority(priority)));
  return Stream(stream);
}

}  // namespace cotenant
