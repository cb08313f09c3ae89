#include "results/record.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/path_component.h"
#include "results/record_fields.h"

namespace cotenant {

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
  return record;
}

}  // namespace cotenant
