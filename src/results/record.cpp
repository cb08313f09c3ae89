#include "results/record.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/path_component.h"
#include "results/record_fields.h"

namespace cotenant {
namespace {

// Of files with one device, whose tenants did not say that they stood on it.
void fill_in_device(ExperimentRecord& record) {
  if (record.devices.empty()) record.devices.emplace_back();
  if (record.device().device.empty()) record.device().device = record.settings.device;
  for (TenantRecord& tenant : record.tenants)
    if (std::ranges::find(record.devices, tenant.device, &DeviceRecord::device) == record.devices.end())
      tenant.device = record.device().device;
}

}  // namespace

const DeviceRecord& device_of(const ExperimentRecord& record, const TenantRecord& tenant) {
  const auto found = std::ranges::find(record.devices, tenant.device, &DeviceRecord::device);
  return found == record.devices.end() ? record.device() : *found;
}

std::string device_names(const ExperimentRecord& record) {
  std::map<std::string, int> counts;
  for (const DeviceRecord& device : record.devices)
    if (!device.name.empty()) ++counts[device.name];
  std::vector<std::string> parts;
  for (const auto& [name, count] : counts) parts.push_back(count == 1 ? name : fmt::format("{} x {}", count, name));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string device_uuids(const ExperimentRecord& record) {
  std::vector<std::string> uuids;
  for (const DeviceRecord& device : record.devices)
    if (!device.uuid.empty()) uuids.push_back(device.uuid);
  return fmt::format("{}", fmt::join(uuids, "+"));
}

std::string to_json(const ExperimentRecord& record) {
  return fields_to_json(record, 2) + "\n";
}

ExperimentRecord record_from_json(std::string_view text, const std::string& where) {
  auto record = fields_from_json<ExperimentRecord>(text, where);
  const int known = ExperimentRecord().format;
  if (record.format > known)
    throw usage_error(where, fmt::format("its format is {}, this program knows {}", record.format, known),
                      "Read it with the version of cotenant that wrote it, or a later one.");
  for (const TenantRecord& tenant : record.tenants)
    for (const std::string& name : {tenant.directory, tenant.kind, tenant.kind_with_share})
      if (!name.empty() && !is_path_component(name))
        throw usage_error(
            where, fmt::format("tenant {}: \"{}\" is no name of a directory in the experiment's", tenant.name, name),
            "Somebody has changed the file: do not use it.");
  for (TenantRecord& tenant : record.tenants)  // up to 0.2 these two stood there alone
    if (auto* stress = std::get_if<StressSpec>(&tenant.engine); stress && tenant.stress) {
      stress->intensity = tenant.stress->intensity;
      stress->sms = tenant.stress->sms;
    }
  fill_in_device(record);
  return record;
}

}  // namespace cotenant
