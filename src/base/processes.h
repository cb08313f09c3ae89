#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace cotenant {

// The pids of /proc, as far as it can be read; processes that end meanwhile are no failure.
std::vector<pid_t> all_processes(const std::string& proc = "/proc");

}  // namespace cotenant
