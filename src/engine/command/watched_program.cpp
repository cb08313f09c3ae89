#include "engine/command/watched_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/printable.h"

namespace cotenant {
namespace {

constexpr size_t kLongestLine = 1 << 16;
constexpr size_t kShownBytes = 200;               // of the last line
constexpr size_t kMostWaiting = size_t{1} << 16;  // iterations that nobody asks for

}  // namespace

WatchedProgram::WatchedProgram(Fd output, Fd log, const std::string& pattern)
    : output_(std::move(output)), log_(std::move(log)), pattern_(pattern) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error("command", "pipe2");
  wake_ = Fd(fds[0]);
  wake_writing_ = Fd(fds[1]);
  ::fcntl(log_.get(), F_SETFL, O_NONBLOCK);
  thread_ = std::thread([this] { read(); });
}

WatchedProgram::~WatchedProgram() {
  wake_writing_.reset();
  thread_.join();
}

void WatchedProgram::read() {
  char bytes[1 << 14];
  for (;;) {
    pollfd descriptors[]{{output_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(descriptors, 2, -1) < 0) continue;
    if (descriptors[1].revents != 0) return;
    const ssize_t got = ::read(output_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    const std::lock_guard lock(mutex_);
    if (got > 0) {
      const std::string_view text(bytes, static_cast<size_t>(got));
      take(text, now_ns());
      while (::write(log_.get(), text.data(), text.size()) < 0 && errno == EINTR) continue;
      came_.notify_one();
      continue;
    }
    if (!line_.empty()) take_line(line_, now_ns());
    ended_ = true;
    came_.notify_one();
    return;
  }
}

void WatchedProgram::take(std::string_view bytes, int64_t at_ns) {
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find_first_of("\r\n"), bytes.size());
    line_.append(bytes.substr(0, std::min(end, kLongestLine - line_.size())));
    if (end == bytes.size()) return;
    if (!line_.empty()) take_line(line_, at_ns);
    line_.clear();
    bytes.remove_prefix(end + 1);
  }
}

void WatchedProgram::take_line(std::string_view line, int64_t at_ns) {
  ++lines_;
  last_line_ = line.substr(0, kShownBytes);
  const auto match = pattern_.find(line);
  given_up_ = pattern_.given_up();
  if (!match) return;
  Iteration iteration{.at_ns = at_ns, .steps = 1};
  if (match->iter) {
    const auto before = std::exchange(last_iter_, match->iter);
    if (before == match->iter) return;
    if (before && *match->iter > *before && *before >= 0) iteration.steps = *match->iter - *before;
  }
  if (iterations_.size() == kMostWaiting) iterations_.pop_front();
  iterations_.push_back(iteration);
}

std::optional<WatchedProgram::Iteration> WatchedProgram::next(int64_t until_ns) {
  std::unique_lock lock(mutex_);
  const std::chrono::nanoseconds patience(std::max<int64_t>(0, until_ns - now_ns()));
  came_.wait_for(lock, patience, [this] { return !iterations_.empty() || ended_; });
  if (iterations_.empty()) return std::nullopt;
  const Iteration iteration = iterations_.front();
  iterations_.pop_front();
  return iteration;
}

bool WatchedProgram::has_ended() const {
  const std::lock_guard lock(mutex_);
  return ended_ && iterations_.empty();
}

std::string WatchedProgram::account() const {
  const std::lock_guard lock(mutex_);
  if (lines_ == 0) return "it has printed no line";
  return fmt::format("{} line{} so far, the last one \"{}\"{}", lines_, lines_ == 1 ? "" : "s", printable(last_line_),
                     given_up_ == 0 ? "" : fmt::format("; for {} of them the pattern takes too long", given_up_));
}

}  // namespace cotenant
