#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "telemetry/nvml.h"

// MIG: instances that somebody has made, each a device of its own. cotenant never changes a GPU's configuration.
namespace cotenant {

// Why tenants cannot have instances of this device ("MIG is off on NVIDIA H100 80GB HBM3"); empty: they can.
std::string mig_problem(const std::string& device);

// The UUID of each tenant's instance, which it names by UUID or index (mig_instance). Throws usage_error, with a list
// of those that are there, for one that is not, for a tenant that names none, and for one that two tenants name.
std::vector<std::string> find_mig_instances(std::span<const TenantConfig> tenants, const std::string& device);

// The same with the instances that are there.
std::vector<std::string> match_mig_instances(std::span<const TenantConfig> tenants,
                                             const std::vector<MigInstance>& instances);

}  // namespace cotenant
