#pragma once

#include <optional>
#include <span>
#include <vector>

namespace cotenant {

// How many of a device's groups of multiprocessors each tenant gets, when its green contexts are made of `groups`
// groups of equal size (16 on an H100: fifteen of 8 SMs and one of 12). Shares in percent are rounded to whole groups,
// at least one; tenants without a share divide what is left in equal parts, and what does not divide stays idle, so
// that equal tenants are treated equally. Throws usage_error when the shares exceed the device, or there are fewer
// groups than tenants.
std::vector<int> divide_groups(std::span<const std::optional<double>> sm_percent, int groups);

}  // namespace cotenant
