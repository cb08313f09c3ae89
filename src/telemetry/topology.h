#pragma once

#include <string>
#include <vector>

namespace cotenant {

// Which of `cpus` are hardware threads of one core, which share its arithmetic and its caches: one list for each core,
// cores in order of their first CPU, as /sys/devices/system/cpu tells. A CPU of which nothing is told is a core.
// `root` stands before every path.
std::vector<std::vector<int>> cores_of(const std::vector<int>& cpus, const std::string& root = "");

}  // namespace cotenant
