#include "sharing/device_shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "base/device_name.h"
#include "base/error.h"
#include "engine/native/devices.h"
#include "sharing/green.h"
#include "sharing/mig.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

// A client sees one GPU, as number 0 (MpsDaemon::environment).
void divide_by_mps(std::span<const TenantConfig> tenants, DeviceDivision& division) {
  double sum = 0;
  for (size_t i = 0; i < tenants.size(); ++i) {
    const TenantConfig& tenant = tenants[i];
    sum += tenant.sm_percent.value_or(0);
    division.tenants[i].environment =
        mps_share_environment(tenant.sm_percent, tenant.priority, tenant.memory_limit_bytes, 0);
  }
  if (sum > 100)
    division.warnings.push_back({fmt::format("the tenants' sm_percent add up to {:g}", sum),
                                 "under mps a share is a cap and not a reservation: for partitions use green"});
  if (tenants.size() > static_cast<size_t>(mps_least_client_limit))
    division.warnings.push_back(
        {fmt::format("{} tenants are more than the {} clients that every MPS takes", tenants.size(),
                     mps_least_client_limit),
         "use fewer tenants if some die with cudaErrorDevicesUnavailable or cudaErrorMpsMaxClientsReached"});
}

void divide_by_green(std::span<const TenantConfig> tenants, const CudaDevice& device, DeviceDivision& division) {
  std::vector<std::optional<double>> shares;
  for (const TenantConfig& tenant : tenants) shares.push_back(tenant.sm_percent);
  const std::vector<int> groups = divide_groups(shares, device.sm_groups);
  int used = 0;
  for (size_t i = 0; i < tenants.size(); ++i) used += division.tenants[i].sm_groups = groups[i];
  if (used < device.sm_groups)
    division.warnings.push_back(
        {fmt::format("{} of the {} groups of SMs that {} divides into are used", used, device.sm_groups, device.name),
         "the rest does not divide equally: give shares by sm_percent to use it"});
}

void divide_by_mig(std::span<const TenantConfig> tenants, const std::string& device, DeviceDivision& division) {
  const std::vector<std::string> uuids = find_mig_instances(tenants, device);
  for (size_t i = 0; i < tenants.size(); ++i) division.tenants[i].environment = {{"CUDA_VISIBLE_DEVICES", uuids[i]}};
}

}  // namespace

DeviceDivision divide_device(SharingMode mode, std::span<const TenantConfig> tenants, const std::string& device) {
  DeviceDivision division;
  division.tenants.resize(tenants.size());
  if (device == "cpu") return division;
  switch (mode) {
    case SharingMode::timeslice:
    case SharingMode::streams:
    case SharingMode::partition:
      break;
    case SharingMode::mps:
      divide_by_mps(tenants, division);
      break;
    case SharingMode::green:
      divide_by_green(tenants, cuda_status().devices.at(device_ordinal(device)), division);
      break;
    case SharingMode::mig:
      divide_by_mig(tenants, device, division);
      break;
  }
  return division;
}

DeviceDivision divide_devices(SharingMode mode, std::span<const TenantConfig> tenants,
                              const std::vector<std::string>& devices) {
  const std::set<std::string> distinct(devices.begin(), devices.end());
  if (distinct.size() == 1) return divide_device(mode, tenants, devices.front());
  DeviceDivision all;
  all.tenants.resize(tenants.size());
  for (const std::string& device : distinct) try {
      std::vector<TenantConfig> own;
      for (size_t i = 0; i < tenants.size(); ++i)
        if (devices[i] == device) own.push_back(tenants[i]);
      DeviceDivision part = divide_device(mode, own, device);
      auto next = part.tenants.begin();
      for (size_t i = 0; i < tenants.size(); ++i)
        if (devices[i] == device) all.tenants[i] = std::move(*next++);
      for (WarningRecord& warning : part.warnings)
        all.warnings.push_back({fmt::format("{}: {}", device, warning.what), std::move(warning.remedy)});
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", device, error.where()), error.message(), error.remedy());
    }
  return all;
}

bool is_granted(SharingMode mode, double sm_percent, int granted, int sm_count) {
  if (mode == SharingMode::green) return granted > 0 && granted <= sm_count;
  if (mode != SharingMode::mps) return true;
  return std::abs(granted - mps_share_sms(sm_percent, sm_count)) <= 2;
}

}  // namespace cotenant
