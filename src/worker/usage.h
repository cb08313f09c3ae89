#pragma once

#include <sys/resource.h>

#include <cstdint>
#include <optional>

#include "results/record.h"

// What this process has used so far, asked of the operating system.
namespace cotenant {

using Usage = rusage;

Usage usage_now();
UsageRecord usage_since(const Usage& before);
std::optional<uint64_t> resident_bytes();  // as of now

}  // namespace cotenant
