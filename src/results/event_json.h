#pragma once

#include <fmt/format.h>

#include "results/event.h"

// The lines of events.jsonl. Each function appends one line with its newline. What is not finite becomes null, what is
// not there is left out.
namespace cotenant {

void append_json(fmt::memory_buffer& out, const RunStart& event);
void append_json(fmt::memory_buffer& out, const Iteration& event);
void append_json(fmt::memory_buffer& out, const RunEnd& event);
void append_time_elapsed(fmt::memory_buffer& out, double seconds);

}  // namespace cotenant
