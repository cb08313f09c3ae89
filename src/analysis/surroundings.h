#pragma once

#include <map>
#include <string>
#include <vector>

#include "results/record.h"

// What a run found on its machine that changes times: variables of the environment, limits of its control group.
namespace cotenant {

// Each with its value: "OMP_PROC_BIND", "true"; "CPU quota", "1.5 cores".
using Surroundings = std::map<std::string, std::string>;
Surroundings surroundings_of(const HostRecord& host);

// "OMP_PROC_BIND: true before, not set after", in order of names.
std::vector<std::string> differences(const Surroundings& a, const Surroundings& b, const std::string& name_of_a,
                                     const std::string& name_of_b);

}  // namespace cotenant
