#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "results/event.h"
#include "results/record.h"

// Reads the files of an experiment, ours and the study's. Events are streamed: memory does not grow with the file.
// Files are opened by open_regular_file(): no link, no FIFO and no device is read.
namespace cotenant {

// Of experiment.json: the record of 256 tenants takes a twentieth of it.
inline constexpr size_t largest_record_bytes = size_t{1} << 24;

// What an events.jsonl says besides its iterations.
struct EventFile {
  std::optional<RunStart> start;
  std::optional<RunEnd> end;        // missing: the run did not come to its end
  std::optional<double> elapsed_s;  // time_elapsed
  size_t lines = 0, iterations = 0;
  size_t unknown_events = 0;    // of types that this program does not know: ignored
  bool torn_last_line = false;  // the last line was cut while it was written: ignored
  // Lines (from 1) whose latency is below a nanosecond or longer than an hour: kept, to be told to the user. At most
  // the first ten.
  std::vector<size_t> suspicious_lines;
  size_t suspicious = 0;
};

// Calls `on_iteration` for every iteration, in order of the file; the object is reused, and may be changed. Throws
// usage_error, with "<file>:<line>", for a line that is no JSON object (but the last one may be torn) or too long, a
// missing, negative or endless latency, for an empty file and for one that is no regular file or cannot be opened.
EventFile read_events(const std::filesystem::path& file, const std::function<void(Iteration&)>& on_iteration);

// The run_start event, if it is the first line; nullopt otherwise, or when the file cannot be read. Cheap.
std::optional<RunStart> peek_run_start(const std::filesystem::path& file);

// <directory>/experiment.json; nullopt when there is none (the study's form). Throws as read_file and record_from_json
// do.
std::optional<ExperimentRecord> read_record(const std::filesystem::path& directory);

}  // namespace cotenant
