#include "base/open_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace cotenant {

namespace fs = std::filesystem;

Error cannot_be_read(const fs::path& file) {
  const bool is_disk = errno == EIO || errno == ESTALE || errno == EREMOTEIO || errno == ENXIO;
  return usage_error(file.string(), std::string("cannot be read: ") + std::strerror(errno),
                     is_disk ? "Look at the disk or its server (dmesg)." : "Check the path and its permissions.");
}

Fd open_regular_file(const fs::path& file, Links links) {
  const int no_follow = links == Links::refused ? O_NOFOLLOW : 0;
  Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | no_follow | O_NONBLOCK | O_NOCTTY));
  if (!fd && errno == ELOOP && links == Links::refused)
    throw usage_error(file.string(), "is a symbolic link; links in results are not followed",
                      "Put the file itself there.");
  if (!fd) throw cannot_be_read(file);
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw system_error(file.string(), "fstat");
  if (!S_ISREG(status.st_mode))
    throw usage_error(file.string(), S_ISDIR(status.st_mode) ? "is a directory" : "is no regular file",
                      "Put a file there.");
  return fd;
}

bool is_real_directory(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

bool is_real_file(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::regular;
}

std::vector<fs::path> real_directories_in(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error))
    if (is_real_directory(entry.path())) found.push_back(entry.path());
  return found;
}

}  // namespace cotenant
