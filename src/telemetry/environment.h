#pragma once

#include <string>
#include <vector>

#include "results/record.h"

// Variables of the environment that change how fast programs are: CUDA's, OpenMP's, oneDNN's, the allocator's and the
// loader's. Tenants inherit them.
namespace cotenant {

// "NAME=value" of those that are set, in order; long values are cut. `environment`: as environ(7).
std::vector<std::string> telling_variables(const char* const* environment);

// Those of them with which figures are not what they seem. `on_gpu`: whether the tenants compute on a GPU.
std::vector<WarningRecord> falsifying_variables(const std::vector<std::string>& variables, bool on_gpu);

}  // namespace cotenant
