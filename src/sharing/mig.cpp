#include "sharing/mig.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "sharing/device.h"
#include "telemetry/nvml.h"

namespace cotenant {
namespace {

std::optional<NvmlDevice> nvml_device(const std::string& device, Gap& gap) {
  const auto nvml = Nvml::open(gap);
  return nvml ? nvml->device_by_uuid(describe_device(device).uuid) : std::nullopt;
}

std::string list(const std::vector<MigInstance>& instances) {
  std::string text;
  for (const MigInstance& instance : instances)
    text += fmt::format("{}{}: {}{}{}", text.empty() ? "" : "; ", instance.index, instance.uuid,
                        instance.sm_count ? fmt::format(", {} SMs", *instance.sm_count) : "",
                        instance.memory_bytes ? ", " + format_bytes(*instance.memory_bytes) : "");
  return text.empty() ? "there are none" : "there are " + text;
}

}  // namespace

std::string mig_problem(const std::string& device) {
  Gap gap;
  const auto gpu = nvml_device(device, gap);
  if (!gpu) return gap.what.empty() ? "NVML does not know the device" : gap.what;
  const auto enabled = gpu->physical().mig_enabled();
  if (!enabled) return fmt::format("{} has no MIG", gpu->name());
  if (!*enabled) return fmt::format("MIG is off on {}", gpu->name());
  if (gpu->physical().mig_instances().empty()) return fmt::format("there are no instances on {}", gpu->name());
  return "";
}

std::vector<std::string> find_mig_instances(std::span<const TenantConfig> tenants, const std::string& device) {
  Gap gap;
  const auto gpu = nvml_device(device, gap);
  const std::vector<MigInstance> instances = gpu ? gpu->physical().mig_instances() : std::vector<MigInstance>{};
  return match_mig_instances(tenants, instances);
}

std::vector<std::string> match_mig_instances(std::span<const TenantConfig> tenants,
                                             const std::vector<MigInstance>& instances) {
  std::vector<std::string> uuids;
  std::set<std::string> taken;
  for (const TenantConfig& tenant : tenants) {
    const auto found = std::ranges::find_if(instances, [&](const MigInstance& instance) {
      return tenant.mig_instance == instance.uuid || tenant.mig_instance == std::to_string(instance.index);
    });
    if (found == instances.end())
      throw usage_error(place(tenant, "mig_instance"),
                        fmt::format("expected the UUID or index of a MIG instance, found {}; {}",
                                    tenant.mig_instance.empty() ? "none" : tenant.mig_instance, list(instances)));
    if (!taken.insert(found->uuid).second)
      throw usage_error(place(tenant, "mig_instance"), fmt::format("{} is another tenant's already", found->uuid),
                        "Give each tenant an instance of its own.");
    uuids.push_back(found->uuid);
  }
  return uuids;
}

}  // namespace cotenant
