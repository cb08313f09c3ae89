#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "engine/command/progress_pattern.h"

namespace cotenant {

// A program that goes on by itself, seen by what it prints: each line that matches a pattern is the end of an
// iteration. A thread of its own reads, so that a line's instant is that at which it came whatever else goes on, and
// passes all on to a log. Lines end with a newline or, as progress bars have it, a carriage return; of longer ones than
// 64 KiB the rest is not looked at.
class WatchedProgram {
 public:
  // `output`: the reading end of what it prints. `log`: what does not fit into this pipe at once is not logged. Throws
  // as ProgressPattern.
  WatchedProgram(Fd output, Fd log, const std::string& pattern);
  WatchedProgram(const WatchedProgram&) = delete;
  ~WatchedProgram();

  struct Iteration {
    int64_t at_ns = 0;  // CLOCK_MONOTONIC, when its line was read
    // Where lines are numbered: by how much more than the last one, 1 where it is less. Lines with the number of the
    // last one are no iteration.
    int64_t steps = 1;
  };
  // The first end of an iteration that has not been told. None: there was none by then, or its output has ended.
  std::optional<Iteration> next(int64_t until_ns);

  bool has_ended() const;  // its output, and all iterations have been told

  // For people: "312 lines so far, the last one "epoch 3"".
  std::string account() const;

 private:
  void read();
  void take(std::string_view bytes, int64_t at_ns);
  void take_line(std::string_view line, int64_t at_ns);

  Fd output_, log_, wake_, wake_writing_;
  ProgressPattern pattern_;
  std::string line_;                  // the beginning of one; the reader's
  std::optional<int64_t> last_iter_;  // the reader's

  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::deque<Iteration> iterations_;
  int64_t lines_ = 0, given_up_ = 0;
  std::string last_line_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace cotenant
