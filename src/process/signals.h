#pragma once

#include <signal.h>

#include <optional>

#include "base/fd.h"

namespace cotenant {

// Ctrl-C and SIGTERM as a descriptor to poll, instead of handlers. While one of these exists the signals are blocked
// and SIGPIPE is ignored; its destructor restores what was. Made before any thread.
class SignalWatch {
 public:
  SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  ~SignalWatch();

  int fd() const { return fd_.get(); }
  std::optional<int> take();  // SIGINT or SIGTERM, if one has arrived since

 private:
  sigset_t before_;
  struct sigaction pipe_before_, size_before_;
  Fd fd_;
};

}  // namespace cotenant
