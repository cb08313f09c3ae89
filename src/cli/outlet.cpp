#include "cli/outlet.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cotenant {
namespace {

constexpr int64_t kPatienceNs = 5'000'000'000;

bool can_wait(const struct stat& status) {
  return S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode);
}

}  // namespace

Outlet::Outlet(int fd, size_t most_kept_bytes) : fd_(fd), most_kept_bytes_(most_kept_bytes) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
  if (!can_wait(status)) return;
  // O_NONBLOCK belongs to the open description, which we share with the shell and others: we need one of our own.
  const int mode = ::fcntl(fd, F_GETFL) & O_ACCMODE;
  if (mode == O_RDONLY) return;  // cannot be written, and is not to be by a detour
  own_ = Fd(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  kind_ = own_ ? Kind::reopened : Kind::polled;  // another user's pipe, or one without a reader
}

bool Outlet::is_behind() {
  write_kept();
  return !kept_.empty();
}

void Outlet::put(std::string_view text) {
  if (is_behind() && kept_.size() + text.size() > most_kept_bytes_) {
    ++dropped_;
    return;
  }
  note_dropped();
  kept_.append(text);
  write_kept();
}

// Where there is room again.
void Outlet::note_dropped() {
  if (dropped_ == 0) return;
  kept_ += fmt::format("({} messages are missing here: nobody read them)\n", dropped_);
  dropped_ = 0;
}

void Outlet::finish(std::optional<int64_t> patience_ns, int interrupt_fd) {
  note_dropped();
  while (is_behind()) {
    pollfd descriptors[] = {{own_ ? own_.get() : fd_, POLLOUT, 0}, {interrupt_fd, POLLIN, 0}};
    const int timeout_ms = patience_ns ? static_cast<int>(*patience_ns / 1'000'000) : -1;
    const int ready = ::poll(descriptors, 2, timeout_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0 || descriptors[1].revents != 0) break;
  }
  kept_.clear();
}

// As much as is taken without waiting.
void Outlet::write_kept() {
  size_t done = 0;
  while (done < kept_.size()) {
    const ssize_t written = write_some(std::string_view(kept_).substr(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (written < 0) {
      if (error_ == 0) error_ = errno;
      done = kept_.size();
      break;
    }
    done += static_cast<size_t>(written);
  }
  kept_.erase(0, done);
}

ssize_t Outlet::write_some(std::string_view text) const {
  if (kind_ == Kind::socket) return ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (kind_ != Kind::polled) return ::write(own_ ? own_.get() : fd_, text.data(), text.size());
  pollfd descriptor{fd_, POLLOUT, 0};
  if (::poll(&descriptor, 1, 0) == 0) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd_, text.data(), std::min<size_t>(text.size(), PIPE_BUF));  // a pipe that is ready takes as much
}

void tell(std::string_view text) {
  Outlet outlet(STDERR_FILENO);
  outlet.put(text);
  outlet.finish(kPatienceNs);
}

}  // namespace cotenant
