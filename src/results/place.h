#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace cotenant {

// An absolute path without a slash at its end. Throws usage_error where that is no name of a directory, and where the
// current directory, from which a relative one counts, is gone.
std::filesystem::path checked_path(const std::filesystem::path& path);

// Whether results can be written to a place, found out by trying, so that a night of measuring does not end in a place
// that cannot take what was measured. Leaves nothing behind, and tries what directories have in common once.
class PlaceCheck {
 public:
  // `directory` is to be made or replaced by a rename, and `names` are of files and directories inside it. Throws
  // usage_error, with a remedy: nobody may write there, the disk is full, names are too long for the file system, it
  // has no locks (flock), `directory` is a mount point or a file, or lies in a file.
  // Without `locks` it need not have those.
  void check(const std::filesystem::path& directory, std::span<const std::string> names, bool locks = true);

 private:
  void try_out(const std::filesystem::path& parent, bool locks);
  void try_names(const std::filesystem::path& parent, const std::filesystem::path& directory,
                 std::span<const std::string> names);

  std::set<std::filesystem::path> tried_;                       // existing directories that take files and locks
  std::set<std::pair<std::filesystem::path, size_t>> lengths_;  // of names that they take
};

}  // namespace cotenant
