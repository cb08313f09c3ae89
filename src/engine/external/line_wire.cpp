#include "engine/external/line_wire.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "engine/external/message.h"

namespace cotenant::external {

LineWire::LineWire(Fd from, Fd to, bool spin) : from_(std::move(from)), to_(std::move(to)), spin_(spin) {
  for (const int fd : {from_.get(), to_.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

void LineWire::send(std::string_view line) {
  outgoing_.append(line);
  write();
}

void LineWire::write() {
  while (sent_ < outgoing_.size()) {
    const ssize_t written = ::write(to_.get(), outgoing_.data() + sent_, outgoing_.size() - sent_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0 && errno == EPIPE) throw usage_error("", "its program has closed its standard input");
    if (written < 0) throw system_error("external", "write");
    sent_ += static_cast<size_t>(written);
  }
  outgoing_.clear();
  sent_ = 0;
}

std::optional<std::string_view> LineWire::next() {
  const size_t end = incoming_.find('\n', searched_);
  if (end == std::string::npos) {
    searched_ = incoming_.size();
    if (incoming_.size() - taken_ > longest_line)
      throw usage_error("", fmt::format("its program printed a line of more than {} bytes", longest_line));
    return std::nullopt;
  }
  const std::string_view line = std::string_view(incoming_).substr(taken_, end - taken_);
  taken_ = searched_ = end + 1;
  return line;
}

void LineWire::wait(int64_t until_ns) {
  const int64_t left_ns = spin_ ? 0 : std::max<int64_t>(0, until_ns - now_ns());
  const timespec timeout{static_cast<time_t>(left_ns / 1'000'000'000), static_cast<long>(left_ns % 1'000'000'000)};
  pollfd descriptors[]{{from_.get(), POLLIN, 0}, {outgoing_.empty() ? -1 : to_.get(), POLLOUT, 0}};
  const bool forever = !spin_ && until_ns == std::numeric_limits<int64_t>::max();
  int ready = 0;
  do {
    ready = ::ppoll(descriptors, 2, forever ? nullptr : &timeout, nullptr);
  } while (spin_ && ready == 0 && now_ns() < until_ns);
  if (ready < 0) return;  // a signal
  if (descriptors[0].revents != 0) read();
  if (descriptors[1].revents != 0) write();
}

void LineWire::read() {
  incoming_.erase(0, std::exchange(taken_, 0));
  searched_ = incoming_.size();
  char bytes[1 << 14];
  const ssize_t got = ::read(from_.get(), bytes, sizeof bytes);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (got < 0) throw system_error("external", "read");
  if (got == 0)
    throw usage_error("", incoming_.empty() ? "its program has closed its standard output"
                                            : "its program has closed its standard output in the middle of a line");
  came_ns_ = now_ns();
  incoming_.append(bytes, static_cast<size_t>(got));
}

void LineWire::close() noexcept {
  from_.reset();
  to_.reset();
}

}  // namespace cotenant::external
