#pragma once

#include <sys/types.h>

#include <vector>

// The CPUs that a thread may run on. As many as the kernel knows: cpu_set_t alone ends at 1024.
namespace cotenant {

// Of the calling thread, or of a process's first one, ascending. Throws system_error.
std::vector<int> affinity(pid_t pid = 0);

// Confines the calling thread, and what it starts, to these CPUs. Throws system_error when none of them is there or
// permitted.
void set_affinity(const std::vector<int>& cpus);

}  // namespace cotenant
