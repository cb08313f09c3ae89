#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace cotenant {

// Its reading and its writing end, close-on-exec. `where` is for the error.
inline std::pair<Fd, Fd> make_pipe(const std::string& where) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error(where, "pipe2");
  return {Fd(fds[0]), Fd(fds[1])};
}

}  // namespace cotenant
