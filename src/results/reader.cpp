#include "results/reader.h"

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/input_file.h"
#include "base/line_reader.h"
#include "results/event_parser.h"

namespace cotenant {
namespace {

constexpr double suspicious_below_ms = 1e-6;      // a nanosecond: below what any clock tells
constexpr double suspicious_from_ms = 3'600'000;  // an hour
constexpr double impossible_from_ms = 3e12;       // a century
constexpr size_t suspicious_lines_kept = 10;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

void check_latency(const Iteration& iteration, const std::string& where, EventFile& read) {
  if (iteration.status != IterationStatus::ok) return;
  if (!(iteration.latency_ms >= 0 && iteration.latency_ms < impossible_from_ms))
    throw usage_error(where, fmt::format("latency_ms is {}, which no latency can be", iteration.latency_ms),
                      "Its clock or its writer is wrong: do not use this file.");
  if (iteration.latency_ms >= suspicious_below_ms && iteration.latency_ms <= suspicious_from_ms) return;
  ++read.suspicious;
  if (read.suspicious_lines.size() < suspicious_lines_kept) read.suspicious_lines.push_back(read.lines);
}

}  // namespace

EventFile read_events(const std::filesystem::path& file, const std::function<void(Iteration&)>& on_iteration) {
  LineReader lines(file);
  EventParser parser;
  EventFile read;
  std::optional<std::string> torn;  // what is wrong with the last line seen
  const auto where = [&](size_t line) { return fmt::format("{}:{}", file.string(), line); };
  size_t torn_at = 0;
  while (const auto line = lines.next()) {
    ++read.lines;
    if (is_blank(*line)) continue;
    if (torn) throw usage_error(where(torn_at), *torn, "Only a file's last line may be cut: mend or remove this line.");
    switch (parser.parse(*line)) {
      case EventType::iteration:
        check_latency(parser.iteration, where(read.lines), read);
        ++read.iterations;
        on_iteration(parser.iteration);
        break;
      case EventType::run_start:
        read.start = parser.start;
        break;
      case EventType::run_end:
        read.end = parser.end;
        break;
      case EventType::time_elapsed:
        read.elapsed_s = parser.elapsed_s;
        break;
      case EventType::unknown:
        ++read.unknown_events;
        break;
      case EventType::not_json:
        torn = parser.problem;
        torn_at = read.lines;
        break;
      case EventType::bad_value:
        throw usage_error(where(read.lines), parser.problem, "Mend or remove this line.");
    }
  }
  if (read.lines == 0) throw usage_error(file.string(), "is empty: no events", "Run the experiment again.");
  read.torn_last_line = torn.has_value();
  return read;
}

std::optional<RunStart> peek_run_start(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return std::nullopt;
  LineReader lines(file);
  EventParser parser;
  const auto line = lines.next();
  if (!line || parser.parse(*line) != EventType::run_start) return std::nullopt;
  return parser.start;
}

std::optional<ExperimentRecord> read_record(const std::filesystem::path& directory) {
  const auto file = directory / "experiment.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  return record_from_json(read_file(file, largest_record_bytes), file.string());
}

}  // namespace cotenant
