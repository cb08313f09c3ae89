#pragma once

#include <cstdint>

// How many files this process may have open at once: RLIMIT_NOFILE, getrlimit(2).
namespace cotenant {

uint64_t most_open_files();  // the hard limit, to which this process may raise its own

// Raises this process's limit, and that of what it starts, to at least `wanted`, as far as the hard limit allows.
void allow_open_files(uint64_t wanted);

}  // namespace cotenant
