#include "process/channel.h"

#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};

}  // namespace

std::pair<Channel, Channel> Channel::make_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) throw system_error("channel", "socketpair");
  for (const int fd : fds) ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  return {Channel(Fd(fds[0])), Channel(Fd(fds[1]))};
}

bool Channel::send(std::string_view line) {
  const std::string text = std::string(line) + '\n';
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t sent = ::send(socket_.get(), text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET || errno == EAGAIN)) return false;
    if (sent < 0) throw system_error("channel", "send");
    done += static_cast<size_t>(sent);
  }
  return true;
}

std::optional<std::string> Channel::receive() {
  for (;;) {
    if (auto line = next()) return line;
    if (!read_some(0)) return std::nullopt;
  }
}

bool Channel::fill() {
  return read_some(MSG_DONTWAIT);
}

bool Channel::read_some(int flags) {
  char bytes[1 << 14];
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), bytes, sizeof bytes, flags);
    if (got > 0) {
      lines_.append({bytes, static_cast<size_t>(got)});
      return true;
    }
    if (got == 0 || errno == ECONNRESET) return false;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return true;
    if (errno != EINTR) throw system_error("channel", "recv");
  }
}

}  // namespace cotenant
