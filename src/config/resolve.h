#pragma once

#include <string>
#include <vector>

#include "config/keys.h"

namespace cotenant {

// Fills in what depends on other keys (names, directories, the sharing mode, the lengths under corun: fixed) and
// refuses what contradicts itself. `suffix` goes behind the experiment's name and every out_dir that was given.
ExperimentConfig resolve(ExperimentDraft draft, std::vector<TenantDraft> tenants, const std::string& suffix);

}  // namespace cotenant
