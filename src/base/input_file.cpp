#include "base/input_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/text.h"

namespace cotenant {

InputFile::InputFile(std::filesystem::path path, Links links)
    : path_(std::move(path)), fd_(open_regular_file(path_, links)) {
  struct stat status {};
  if (::fstat(fd_.get(), &status) != 0) throw cannot_be_read(path_);
  bytes_ = static_cast<uint64_t>(status.st_size);
}

size_t InputFile::read_some(char* to, size_t most) const {
  for (;;) {
    const ssize_t got = ::read(fd_.get(), to, most);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) throw cannot_be_read(path_);
  }
}

void InputFile::read_at(uint64_t offset, std::span<std::byte> to) const {
  while (!to.empty()) {
    const ssize_t got = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw cannot_be_read(path_);
    if (got == 0)
      throw usage_error(path_.string(),
                        fmt::format("had {} bytes when it was opened and ends at byte {} now: it was cut while it was "
                                    "read",
                                    bytes_, offset),
                        "Do not change the file meanwhile, and see that it is complete.");
    offset += static_cast<uint64_t>(got);
    to = to.subspan(static_cast<size_t>(got));
  }
}

std::string read_file(const std::filesystem::path& path, size_t most_bytes, Links links) {
  const InputFile file(path, links);
  std::string text;
  size_t done = 0, got = 0;
  do {  // to its end, not to the size that it had: it may grow meanwhile
    text.resize(std::max<uint64_t>(std::min<uint64_t>(file.bytes(), most_bytes), done) + (size_t{1} << 12));
    got = file.read_some(text.data() + done, text.size() - done);
    done += got;
    if (done > most_bytes)
      throw usage_error(path.string(),
                        fmt::format("has {}, but at most {} are expected of such a file",
                                    format_bytes(std::max<uint64_t>(file.bytes(), done)), format_bytes(most_bytes)));
  } while (got > 0);
  text.resize(done);
  return text;
}

}  // namespace cotenant
