#include "driver/printed_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace cotenant {
namespace {

constexpr size_t kLongestPiece = 1 << 18;  // reads of a turn are fewer
constexpr int kReads = 16;                 // of a turn

}  // namespace

PrintedOutput::PrintedOutput(Fd reading_end) : fd_(std::move(reading_end)) {
  ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
}

std::vector<std::string> PrintedOutput::read(const std::function<void(std::string_view)>& raw) {
  char bytes[1 << 14];
  for (int reads = 0; reads < kReads && fd_; ++reads) {
    const ssize_t got = ::read(fd_.get(), bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) {
      if (!lines_.rest().empty()) lines_.append("\n");
      fd_.reset();
    }
    if (got <= 0) break;
    if (raw) raw({bytes, static_cast<size_t>(got)});
    lines_.append({bytes, static_cast<size_t>(got)});
    if (lines_.waiting() > kLongestPiece) lines_.append("\n");
  }
  std::vector<std::string> lines;
  while (auto line = lines_.next()) lines.push_back(std::move(*line));
  return lines;
}

}  // namespace cotenant
