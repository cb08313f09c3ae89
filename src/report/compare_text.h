#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "analysis/compare.h"

namespace cotenant {

// A row per tenant, the device, warnings.
std::string comparison_table(const Comparison& comparison, bool colour);

nlohmann::ordered_json comparison_json(const Comparison& comparison);

}  // namespace cotenant
