#pragma once

#include <memory>

#include "engine/stress/load.h"

namespace cotenant {

// Opens the device and says what the load needs; allocates nothing yet. Throws usage_error for a device that cannot be
// used, and for more multiprocessors than it shows this process.
std::unique_ptr<StressLoad> make_cuda_load(const StressLoadOptions& options);

}  // namespace cotenant
