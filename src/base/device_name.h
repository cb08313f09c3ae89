#pragma once

#include <cstddef>
#include <string>

namespace cotenant {

// N of "cuda:N"; "cuda" is the first. Throws usage_error for any other name.
size_t device_ordinal(const std::string& device);

}  // namespace cotenant
