#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

// An experiment as a timeline for ui.perfetto.dev or chrome://tracing, in the Trace Event Format (JSON object form):
// one process per tenant with its requests as async slices, queueing and each token within them, and with its kernels
// where they were recorded (cotenant profile); one process for the run with its phases, the window, and counters of
// telemetry.
namespace cotenant {

// Reads <directory> and hands the text on in pieces; memory grows with recorded kernels alone. Times are microseconds
// since the earliest thing in the trace. The study's files have no times: there each request begins where the one
// before it ended, which `otherData` says. Throws as read_events and read_record do, and usage_error for a directory
// without events.
void write_trace(const std::filesystem::path& directory, const std::function<void(std::string_view)>& write);

}  // namespace cotenant
