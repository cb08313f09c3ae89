#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace cotenant::external {

// Lines to and from a program by its pipes, neither of which holds up the other: who writes much and reads nothing is
// read from meanwhile. Throws usage_error, without a place, when the program has closed its side, or a line is longer
// than longest_line.
class LineWire {
 public:
  LineWire(Fd from, Fd to, bool spin = false);  // spin: waits busily, which saves the time of being woken

  // Takes a line, which ends with its newline; what the pipe does not take at once goes out in wait().
  void send(std::string_view line);

  // A line that is there, without its newline; valid until the next call of wait().
  std::optional<std::string_view> next();
  // Until something has come, `until_ns` (CLOCK_MONOTONIC), or the pipe that was full has taken something.
  void wait(int64_t until_ns);
  int64_t came_ns() const { return came_ns_; }  // when what is there was read

  void close() noexcept;  // both sides, after what the pipe still takes

 private:
  void write();
  void read();

  Fd from_, to_;
  const bool spin_;
  std::string outgoing_, incoming_;
  size_t sent_ = 0, taken_ = 0, searched_ = 0;  // of outgoing_, of incoming_
  int64_t came_ns_ = 0;
};

}  // namespace cotenant::external
