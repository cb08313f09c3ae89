#pragma once

#include <string>

#include "config/experiment.h"
#include "results/record.h"

namespace cotenant {

// The device that `auto`, "cuda", "cuda:N" and a GPU's UUID mean on this machine: "cpu" or "cuda:N". Throws usage_error
// when there is no such device, and says why.
std::string resolve_device(const std::string& device);

// What is known about it for the result files; empty for the CPU.
DeviceRecord describe_device(const std::string& device);

// Throws usage_error when tenants cannot share this device this way here.
void check_sharing(SharingMode mode, const std::string& device);

// Whether the mode wants all tenants as threads of one process.
bool shares_one_process(SharingMode mode);

}  // namespace cotenant
