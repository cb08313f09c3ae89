#include "base/temporary_directory.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "base/cache.h"
#include "base/new_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// In order. The system's own fails where TMPDIR is no directory.
std::vector<fs::path> places() {
  std::error_code failed;
  const fs::path system = fs::temp_directory_path(failed);
  std::vector<fs::path> found{failed ? fs::path("/tmp") : system};
  if (const fs::path cache = cache_directory().parent_path(); cache.is_absolute()) found.push_back(cache);
  return found;
}

// Nothing, with errno, where it cannot be made.
std::optional<fs::path> make_in(const fs::path& parent) {
  std::string name = (parent / (std::string(kTemporaryPrefix) + "XXXXXX")).string();
  return ::mkdtemp(name.data()) == nullptr ? std::nullopt : std::optional<fs::path>(name);
}

}  // namespace

bool is_temporary_directory(const fs::path& path) {
  struct stat status;
  const auto is_its_place = [&](const fs::path& place) {
    std::error_code error;
    return fs::equivalent(path.parent_path(), place, error);
  };
  return path.filename().string().starts_with(kTemporaryPrefix) && ::lstat(path.c_str(), &status) == 0 &&
         S_ISDIR(status.st_mode) && (status.st_mode & 07777) == 0700 && status.st_uid == ::geteuid() &&
         std::ranges::any_of(places(), is_its_place);
}

TemporaryDirectory::TemporaryDirectory() {
  std::string reasons;
  for (const fs::path& place : places()) {
    std::error_code ignored;
    fs::create_directories(place, ignored);
    if (const auto made = make_in(place)) {
      path_ = *made;
      return;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : ", ", place.string(), std::strerror(errno));
  }
  throw usage_error("temporary files", fmt::format("there is no place for them: {}", reasons),
                    "Set TMPDIR to a directory that can be written.");
}

TemporaryDirectory::TemporaryDirectory(const fs::path& parent) {
  const auto made = make_in(parent);
  if (!made) throw file_error((parent / kTemporaryPrefix).string(), "mkdtemp");
  path_ = *made;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void remove_temporary_directory(const fs::path& path) {
  if (!is_temporary_directory(path)) throw usage_error(path.string(), "is no temporary directory of cotenant's");
  std::error_code failed;
  fs::remove_all(path, failed);
  if (failed) throw usage_error(path.string(), "cannot be removed: " + failed.message());
}

}  // namespace cotenant
