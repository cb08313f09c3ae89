#include "results/output_file.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr size_t kBufferBytes = 1 << 16;

[[noreturn]] void fail(const std::filesystem::path& path, const std::string& call) {
  const std::string what = call + ": " + std::strerror(errno);
  switch (errno) {
    case ENOSPC:
    case EDQUOT:
      throw usage_error(path.string(), what, "Free some space, or choose another place.");
    case EFBIG:
      throw usage_error(path.string(), what, "Raise the limit (ulimit -f).");
    case EACCES:
    case EROFS:
    case EPERM:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      throw usage_error(path.string(), what, "Choose another place.");
    default:
      throw system_error(path.string(), call);
  }
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path)
    : path_(std::move(path)), fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (!fd_) fail(path_, "open");
}

void OutputFile::write(std::string_view text) {
  buffer_.append(text);
  if (buffer_.size() >= kBufferBytes) flush();
}

void OutputFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t written = ::write(fd_.get(), buffer_.data() + done, buffer_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      buffer_.erase(0, done);  // a later flush goes on where this one failed
      errno = error;
      fail(path_, "write");
    }
    done += static_cast<size_t>(written);
  }
  buffer_.clear();
}

void OutputFile::close() {
  flush();
  if (::close(fd_.release()) != 0) fail(path_, "close");
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path temporary = path.string() + ".tmp";
  OutputFile file(temporary);
  file.write(text);
  file.close();
  if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "rename");
}

}  // namespace cotenant
