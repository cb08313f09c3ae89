#include "results/place.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/fd.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChoosePlace = "Choose another place with --out.";
constexpr size_t kTriedBytes = 1 << 16;
constexpr const char* kLongestSuffix = ".incomplete.999";

[[noreturn]] void refuse_place(const fs::path& path, const std::string& what, int error, const std::string& remedy) {
  throw usage_error(path.string(), fmt::format("{}: {}", what, std::strerror(error)), remedy);
}

// A directory beside the results-to-be for trying things out.
TemporaryDirectory probe_in(const fs::path& parent) {
  try {
    return TemporaryDirectory(parent);
  } catch (const Error& error) {
    throw usage_error(parent.string(), "cannot be written: " + error.message(), kChoosePlace);
  }
}

Fd make_probe_file(const TemporaryDirectory& probe, const std::string& name) {
  return Fd(::open((probe.path() / name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
}

// The first directory above that is there.
fs::path existing_parent(const fs::path& directory) {
  for (fs::path parent = directory.parent_path();; parent = parent.parent_path()) {
    struct stat status;
    if (::stat(parent.c_str(), &status) == 0) {
      if (S_ISDIR(status.st_mode)) return parent;
      throw usage_error(parent.string(), "is no directory", kChoosePlace);
    }
    // A name that is too long does not exist, and is told of when it is tried.
    if (errno != ENOENT && errno != ENAMETOOLONG && errno != ENOTDIR)
      refuse_place(parent, "cannot be read", errno, kChoosePlace);
    if (parent == parent.parent_path()) return parent;
  }
}

bool is_mount_point(const fs::path& directory) {
  struct statx status {};
  if (::statx(AT_FDCWD, directory.c_str(), AT_NO_AUTOMOUNT, STATX_TYPE, &status) != 0) return false;
  if ((status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
    return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  struct stat here, above;
  return ::stat(directory.c_str(), &here) == 0 && ::stat((directory / "..").c_str(), &above) == 0 &&
         (here.st_dev != above.st_dev || here.st_ino == above.st_ino);
}

}  // namespace

fs::path checked_path(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (error)
    throw usage_error(path.string(), "the current directory is gone: " + error.message(),
                      "Change to one that exists, or give a whole path with --out.");
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // a slash at the end
  if (!absolute.has_filename()) throw usage_error(path.string(), "is no name of a directory", kChoosePlace);
  return absolute;
}

void PlaceCheck::check(const fs::path& directory, std::span<const std::string> names, bool locks) {
  const fs::path path = checked_path(directory);
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_directory(status))
    throw usage_error(path.string(), "exists and is no directory", kChoosePlace);
  if (fs::exists(status) && is_mount_point(path))
    throw usage_error(path.string(), "is a mount point, which a complete run cannot replace",
                      fmt::format("Choose a directory in it: --out {}.", (path / "results").string()));
  const fs::path parent = existing_parent(path);
  try_out(parent, locks);
  try_names(parent, path, names);
}

void PlaceCheck::try_out(const fs::path& parent, bool locks) {
  if (!tried_.insert(parent).second) return;
  const TemporaryDirectory probe = probe_in(parent);
  const Fd file = make_probe_file(probe, "file");
  if (!file) refuse_place(parent, "cannot be written", errno, kChoosePlace);
  const std::string bytes(kTriedBytes, '0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(file.get(), bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      refuse_place(parent, "cannot be written", errno,
                   "Free some space, raise the limit (ulimit -f), or choose another place with --out.");
    done += static_cast<size_t>(written);
  }
  if (locks && ::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
    refuse_place(
        parent, "has no locks (flock)", errno,
        "A second run of the same directory could not be told. Mount it with locks (Lustre: -o flock), or choose "
        "another place with --out and copy the results.");
}

void PlaceCheck::try_names(const fs::path& parent, const fs::path& directory, std::span<const std::string> names) {
  std::string longest = directory.filename().string() + kLongestSuffix;
  for (const fs::path& part : directory.lexically_relative(parent).parent_path())
    if (part.string().size() > longest.size()) longest = part.string();
  size_t longest_path = 0;
  for (const std::string& name : names) {
    longest_path = std::max(longest_path, name.size());
    for (const fs::path& part : fs::path(name))
      if (part.string().size() > longest.size()) longest = part.string();
  }
  constexpr const char* kShorten = "Choose a shorter experiment_name, tenant's name or --out.";
  if (directory.string().size() + std::strlen(kLongestSuffix) + longest_path + 2 > PATH_MAX)
    refuse_place(directory, "is too long with what is to be in it", ENAMETOOLONG, kShorten);
  if (!lengths_.emplace(parent, longest.size()).second) return;
  const TemporaryDirectory probe = probe_in(parent);
  if (!make_probe_file(probe, longest))
    refuse_place(longest, fmt::format("cannot be a name in {}", parent.string()), errno, kShorten);
}

}  // namespace cotenant
