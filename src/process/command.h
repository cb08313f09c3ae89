#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "process/child.h"

namespace cotenant {

struct CommandResult {
  ExitStatus status;
  std::string output;  // what it printed on standard output and error
};

// Runs a program to its end with `input` (at most a pipe's 64 KiB) as its standard input. None when it was still
// running at `until_ns` (CLOCK_MONOTONIC); it is killed then. From the main thread only, with SIGPIPE ignored.
std::optional<CommandResult> run_command(SpawnRequest request, std::string_view input, int64_t until_ns);

}  // namespace cotenant
