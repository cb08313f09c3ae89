#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "process/line_buffer.h"

namespace cotenant {

// The driver's end of the pipe into which a process prints.
class PrintedOutput {
 public:
  PrintedOutput() = default;
  explicit PrintedOutput(Fd reading_end);

  int fd() const { return fd_.get(); }  // -1 once it has ended

  // Takes some of the complete lines; of one that does not end, a piece. `raw` gets the bytes as they came. Does not
  // wait, and stops somewhere: a process that never stops printing stops nobody.
  std::vector<std::string> read(const std::function<void(std::string_view)>& raw = {});

 private:
  Fd fd_{};
  LineBuffer lines_;
};

}  // namespace cotenant
