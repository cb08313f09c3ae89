#pragma once

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "base/new_file.h"

namespace cotenant {

// Whether it is a TemporaryDirectory of this user's, with this or another process's name for the place of such: such a
// name and kind, the mode that nobody else can enter.
inline bool is_temporary_directory(const std::filesystem::path& path) {
  struct stat status;
  std::error_code error;
  return path.filename().string().starts_with(kTemporaryPrefix) && ::lstat(path.c_str(), &status) == 0 &&
         S_ISDIR(status.st_mode) && (status.st_mode & 07777) == 0700 && status.st_uid == ::geteuid() &&
         std::filesystem::equivalent(path.parent_path(), std::filesystem::temp_directory_path(error), error);
}

// A fresh directory below the system's place for temporary files, or in another; it goes, with all that is in it, with
// the object. Nobody else may enter it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : TemporaryDirectory(std::filesystem::temp_directory_path()) {}
  explicit TemporaryDirectory(const std::filesystem::path& parent) {
    std::string name = (parent / (std::string(kTemporaryPrefix) + "XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) throw file_error(name, "mkdtemp");
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace cotenant
