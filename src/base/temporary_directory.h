#pragma once

#include <filesystem>

namespace cotenant {

// Whether it is a TemporaryDirectory of this user's, with this or another process's name for the place of such: such a
// name and kind, the mode that nobody else can enter.
bool is_temporary_directory(const std::filesystem::path& path);

// A fresh directory below the system's place for temporary files (TMPDIR, else /tmp), or where that cannot be written,
// below the user's cache (XDG_CACHE_HOME, else ~/.cache); or in another. It goes, with all that is in it, with the
// object. Nobody else may enter it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();                                              // throws usage_error when there is no place for it
  explicit TemporaryDirectory(const std::filesystem::path& parent);  // throws file_error
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Removes one that its process has left. Throws usage_error when it is none.
void remove_temporary_directory(const std::filesystem::path& path);

}  // namespace cotenant
