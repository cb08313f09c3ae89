#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace cotenant {

// Text for whoever reads a descriptor, written without ever waiting for them: what a full pipe, a stopped terminal or a
// lost connection does not take is kept, and written with a later call. So no message can hold up a measurement, and
// none can end it: nothing here throws for a descriptor that is closed or full.
class Outlet {
 public:
  // `most_kept_bytes`: of what nobody has read yet; whole calls beyond it are dropped, and counted in a line.
  explicit Outlet(int fd, size_t most_kept_bytes = SIZE_MAX);

  void put(std::string_view text);
  bool is_behind();  // whether something is still kept

  // Waits for the reader as long as it takes something every `patience_ns` (none: for ever) and `interrupt_fd` is not
  // readable. What is left then is lost.
  void finish(std::optional<int64_t> patience_ns, int interrupt_fd = -1);

  // errno of the first write that failed; 0: none did. EPIPE: the reader has left, which is no failure of ours.
  int error() const { return error_; }

 private:
  enum class Kind : uint8_t { file, reopened, polled, socket };

  void write_kept();
  void note_dropped();
  ssize_t write_some(std::string_view text) const;

  int fd_;
  Kind kind_ = Kind::file;
  Fd own_;  // the same pipe or terminal, opened anew so that O_NONBLOCK is ours alone
  size_t most_kept_bytes_;
  std::string kept_;
  size_t dropped_ = 0;
  int error_ = 0;
};

// A message on standard error, of a command that measures nothing: waits 5 s at most for its reader.
void tell(std::string_view text);

}  // namespace cotenant
