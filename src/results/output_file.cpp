#include "results/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

#include "base/error.h"
#include "base/new_file.h"
#include "base/open_file.h"
#include "results/own_directory.h"

namespace cotenant {
namespace {

constexpr size_t kBufferBytes = 1 << 16;

// Takes what was written off the front of `text`, also when it throws.
template <class Text>
void write_all(int fd, Text& text, const std::filesystem::path& path) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const Error failed = file_error(path.string(), "write");
      text = text.substr(done);  // a later flush goes on where this one failed
      throw failed;
    }
    done += static_cast<size_t>(written);
  }
  text = {};
}

}  // namespace

OutputFile::OutputFile(std::filesystem::path path) : OutputFile(path, create_file(path)) {}

OutputFile OutputFile::named_by_user(std::filesystem::path path) {
  if (is_result_file(path))
    throw usage_error(path.string(), "is a file of a run's results, which is not overwritten", "Choose another name.");
  check_outside_results(path);
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_CLOEXEC, 0666));
  if (!fd) throw file_error(path.string(), "open");
  return {std::move(path), std::move(fd)};
}

void OutputFile::write(std::string_view text) {
  buffer_.append(text);
  if (buffer_.size() >= kBufferBytes) flush();
}

void OutputFile::flush() {
  write_all(fd_.get(), buffer_, path_);
}

void OutputFile::close() {
  flush();
  if (::close(fd_.release()) != 0) throw file_error(path_.string(), "close");
}

bool OutputFile::is_gone() const {
  struct stat status;
  return ::fstat(fd_.get(), &status) == 0 && status.st_nlink == 0;
}

void OutputFile::move_to(std::filesystem::path path) {
  const Fd old(::open(("/proc/self/fd/" + std::to_string(fd_.get())).c_str(), O_RDONLY | O_CLOEXEC));
  if (!old) throw file_error(path_.string(), "open");
  Fd moved = create_file(path);
  std::string bytes(kBufferBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(old.get(), bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(path_.string(), "read");
    if (got == 0) break;
    std::string_view part(bytes.data(), static_cast<size_t>(got));
    write_all(moved.get(), part, path);
  }
  fd_ = std::move(moved);
  path_ = std::move(path);
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  ReplacementFile file(path);
  write_all(file.fd(), text, path);
  file.commit();
}

void write_copy(const std::filesystem::path& from, const std::filesystem::path& to) {
  const Fd source = open_regular_file(from);
  ReplacementFile file(to);
  std::string part(kBufferBytes, '\0');
  for (;;) {
    const ssize_t got = ::read(source.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error(from.string(), "read");
    if (got == 0) return file.commit();
    std::string_view text(part.data(), static_cast<size_t>(got));
    write_all(file.fd(), text, to);
  }
}

}  // namespace cotenant
