#pragma once

#include <signal.h>

#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace cotenant {

// The exit code of a program that a signal has told to end, as shells have it.
constexpr ExitCode interrupted_by(int signal) {
  return static_cast<ExitCode>(128 + signal);
}
constexpr bool is_interruption(ExitCode code) {
  return static_cast<int>(code) > 128;
}

// Ctrl-C, SIGTERM and SIGHUP (a terminal that closes) as a descriptor to poll, instead of handlers; those that are
// ignored when it is made stay ignored (nohup, background jobs of a script). While one of these exists the signals are
// blocked and SIGPIPE is ignored; its destructor restores what was. Made before any thread.
class SignalWatch {
 public:
  static constexpr int numbers[] = {SIGINT, SIGTERM, SIGHUP};

  SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  ~SignalWatch();

  int fd() const { return fd_.get(); }
  std::optional<int> take();  // one of them, if it has arrived since

 private:
  sigset_t before_;
  struct sigaction pipe_before_, size_before_;
  Fd fd_;
};

}  // namespace cotenant
