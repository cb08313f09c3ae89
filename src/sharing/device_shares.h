#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/experiment.h"
#include "results/record.h"
#include "sharing/share.h"

// What each tenant of an experiment gets of a GPU: what its process must have in its environment, or which part of the
// device its thread works on.
namespace cotenant {

struct DeviceShareOrder {
  Environment environment;  // of the tenant's process
  int sm_groups = 0;        // under green: of the groups that the device divides into; else 0
};

struct DeviceDivision {
  std::vector<DeviceShareOrder> tenants;
  std::vector<WarningRecord> warnings;
};

// Throws usage_error for a share that the mode cannot give: shares of green contexts that exceed the device, a MIG
// instance that is not there. (What a mode has no share of at all, the configuration's reader refuses.) On the CPU
// nothing is divided here (host_share.h does).
DeviceDivision divide_device(SharingMode mode, std::span<const TenantConfig> tenants, const std::string& device);

// The same of tenants on several devices, each of which its own tenants share. `devices`: of each tenant, as
// resolve_device names it.
DeviceDivision divide_devices(SharingMode mode, std::span<const TenantConfig> tenants,
                              const std::vector<std::string>& devices);

// Whether a tenant that asked for sm_percent of a device has what it was promised, when it sees `granted` of `sm_count`
// multiprocessors. Under mps to a pair of SMs; green contexts are rounded to groups, and granted what they say.
bool is_granted(SharingMode mode, double sm_percent, int granted, int sm_count);

}  // namespace cotenant
