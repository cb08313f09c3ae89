#include "process/command.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "process/pipe.h"

namespace cotenant {
namespace {

// False at the end of the stream.
bool read_some(int fd, std::string& text) {
  char bytes[4096];
  const ssize_t got = ::read(fd, bytes, sizeof bytes);
  if (got < 0) return errno == EINTR;
  text.append(bytes, static_cast<size_t>(got));
  return got > 0;
}

// A program that reads nothing and is gone already is no failure: its exit status tells.
void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) return;
    if (written < 0) throw system_error("command", "write");
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

std::optional<CommandResult> run_command(SpawnRequest request, std::string_view input, int64_t until_ns) {
  auto [their_input, our_input] = make_pipe("command");
  auto [our_output, their_output] = make_pipe("command");
  request.input = their_input.get();
  request.output = their_output.get();
  Child child(request);
  their_input.reset();
  their_output.reset();
  write_all(our_input.get(), input);
  our_input.reset();
  CommandResult result;
  for (bool open = true; open && now_ns() < until_ns;) {
    pollfd descriptor{our_output.get(), POLLIN, 0};
    const int ready = ::poll(&descriptor, 1, static_cast<int>(std::min(1000.0, ns_to_ms(until_ns - now_ns()) + 1)));
    if (ready > 0) open = read_some(our_output.get(), result.output);
  }
  const auto status = child.wait_until(until_ns);
  if (!status) return std::nullopt;
  result.status = *status;
  return result;
}

}  // namespace cotenant
