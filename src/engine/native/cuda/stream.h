#pragma once

#include "engine/native/cuda/handles.h"
#include "engine/native/device_share.h"

namespace cotenant {

// A priority as configurations have it (higher is more urgent, 0 is normal) as one of CUDA's streams: 0 is the least
// urgent, and the current device's most urgent a negative number.
int stream_priority(int priority);

// On the current device; confined to `share` where there is one (it must come from split_cuda_device).
Stream make_stream_on(const DeviceShare* share, int priority);

}  // namespace cotenant
