#pragma once

#include <cstddef>
#include <string>

#include "analysis/kernels.h"

// What `cotenant profile` prints. Everything ends with a newline.
namespace cotenant {

// The device, and the `top` kernels of each tenant by total time; long names are shortened.
std::string profile_text(const ProfileAnalysis& profile, size_t top, bool colour);

// All of it, with full names.
std::string profile_json(const ProfileAnalysis& profile);

// A row per tenant and kernel, with full names and precision.
std::string profile_csv(const ProfileAnalysis& profile);

// A kernel's name in at most `width` characters: its arguments and return type go first, then the middle.
std::string short_kernel_name(const std::string& name, size_t width);

}  // namespace cotenant
