#include "results/reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/open_file.h"
#include "results/event_parser.h"

namespace cotenant {
namespace {

constexpr double suspicious_from_ms = 3'600'000;  // an hour
constexpr size_t suspicious_lines_kept = 10;

size_t read_some(const Fd& fd, char* to, size_t most, const std::filesystem::path& file) {
  for (;;) {
    const ssize_t got = ::read(fd.get(), to, most);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw system_error(file.string(), "read");
  }
}

// Hands out a file's lines in a buffer that the parser may read a little beyond.
class LineReader {
 public:
  explicit LineReader(const std::filesystem::path& file) : file_(file), fd_(open_regular_file(file)) { grow(); }

  // The next line without its newline; nullopt at the end of the file. Valid until the next call.
  std::optional<std::string_view> next() {
    for (;;) {
      const char* begin = buffer_.get() + begin_;
      if (const void* newline = std::memchr(begin + searched_, '\n', end_ - begin_ - searched_)) {
        const auto length = static_cast<size_t>(static_cast<const char*>(newline) - begin);
        return take(length, length + 1);
      }
      searched_ = end_ - begin_;
      if (at_end_) return searched_ == 0 ? std::nullopt : std::optional(take(searched_, searched_));
      fill();
    }
  }

 private:
  std::string_view take(size_t length, size_t with_newline) {
    const std::string_view line(buffer_.get() + begin_, length);
    begin_ += with_newline;
    searched_ = 0;
    return line;
  }

  void fill() {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (end_ == capacity_) grow();
    const size_t got = read_some(fd_, buffer_.get() + end_, capacity_ - end_, file_);
    end_ += got;
    at_end_ = got == 0;
  }

  void grow() {
    const size_t capacity = capacity_ == 0 ? size_t{1} << 20 : capacity_ * 2;
    auto larger = std::make_unique<char[]>(capacity + EventParser::padding);
    if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  }

  std::filesystem::path file_;
  Fd fd_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  size_t searched_ = 0;  // bytes after begin_ that hold no newline
  bool at_end_ = false;
};

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r") == std::string_view::npos;
}

void check_latency(const Iteration& iteration, const std::string& where, EventFile& read) {
  if (iteration.status != IterationStatus::ok) return;
  if (!(iteration.latency_ms >= 0))
    throw usage_error(where, fmt::format("latency_ms is {}, which no latency can be", iteration.latency_ms),
                      "Its clock or its writer is wrong: do not use this file.");
  if (iteration.latency_ms > 0 && iteration.latency_ms <= suspicious_from_ms) return;
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

std::string read_text(const std::filesystem::path& file) {
  const Fd fd = open_regular_file(file);
  std::string text;
  for (;;) {
    const size_t before = text.size();
    text.resize(before + (size_t{1} << 16));
    const size_t got = read_some(fd, text.data() + before, text.size() - before, file);
    text.resize(before + got);
    if (got == 0) return text;
  }
}

std::optional<ExperimentRecord> read_record(const std::filesystem::path& directory) {
  const auto file = directory / "experiment.json";
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  return record_from_json(read_text(file), file.string());
}

}  // namespace cotenant
