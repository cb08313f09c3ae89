#include "model/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/fd.h"
#include "base/text.h"

namespace cotenant {
namespace {

struct OpenFile {
  Fd fd;
  size_t size = 0;
};

OpenFile open_file(const std::filesystem::path& path) {
  OpenFile file{.fd = Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
  struct stat status {};
  if (!file.fd || ::fstat(file.fd.get(), &status) != 0)
    throw usage_error(path.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
  if (!S_ISREG(status.st_mode)) throw usage_error(path.string(), "is not a file");
  file.size = static_cast<size_t>(status.st_size);
  return file;
}

}  // namespace

MappedFile::MappedFile(std::filesystem::path path) : path_(std::move(path)) {
  const OpenFile file = open_file(path_);
  size_ = file.size;
  if (size_ == 0) return;  // mmap refuses empty files
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd.get(), 0);
  if (data == MAP_FAILED) throw system_error(path_.string(), "mmap");
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::drop_pages() const {
  if (data_ != nullptr) ::madvise(const_cast<std::byte*>(data_), size_, MADV_DONTNEED);
}

std::string read_text_file(const std::filesystem::path& path, size_t most_bytes) {
  const OpenFile file = open_file(path);
  if (file.size > most_bytes)
    throw usage_error(path.string(), fmt::format("has {}, but at most {} are expected of such a file",
                                                 format_bytes(file.size), format_bytes(most_bytes)));
  std::string text(file.size, '\0');
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::read(file.fd.get(), text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw usage_error(path.string(), fmt::format("cannot be read: {}", std::strerror(errno)));
    if (n == 0) break;  // it shrank meanwhile
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

}  // namespace cotenant
