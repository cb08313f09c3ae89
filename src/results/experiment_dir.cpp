#include "results/experiment_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>  // renameat2
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/directory.h"
#include "base/error.h"
#include "base/input_file.h"
#include "results/reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChoose = "Choose another place with --out.";

fs::path beside(const fs::path& path, const char* suffix) {
  return path.parent_path() / (path.filename().string() + suffix);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw usage_error(path.string(), "cannot be removed: " + error.message(), kChoose);
}

void rename_path(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    throw usage_error(to.string(), fmt::format("rename from {}: {}", from.string(), std::strerror(error)),
                      fmt::format("The new results are in {}.", from.string()));
  }
}

// An empty directory or an experiment's, which has one of these; anything else in our way is somebody's data.
bool may_be_replaced(const fs::path& path) {
  std::error_code error;
  const bool is_empty = fs::is_empty(path, error);
  if (error) throw usage_error(path.string(), "cannot be read: " + error.message(), kChoose);
  if (is_empty || fs::exists(path / "experiment.json", error) || fs::exists(path / "config.yaml", error)) return true;
  for (const auto& entry : fs::directory_iterator(path, error))
    if (fs::exists(entry.path() / "events.jsonl", error)) return true;
  return false;
}

bool holds_files(const fs::path& path) {
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) return true;
  return false;
}

fs::path checked_path(const fs::path& path) {
  std::error_code error;
  fs::path absolute = fs::absolute(path, error).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();  // a slash at the end
  if (error || !absolute.has_filename()) throw usage_error(path.string(), "is no name of a directory", kChoose);
  return absolute;
}

}  // namespace

ExperimentDirectory::ExperimentDirectory(const fs::path& path)
    : path_(checked_path(path)),
      staging_(beside(path_, ".staging")),
      incomplete_(beside(path_, ".incomplete")),
      lock_path_(beside(path_, ".lock")) {
  std::error_code error;
  if (fs::exists(path_, error) && (!fs::is_directory(path_, error) || !may_be_replaced(path_)))
    throw usage_error(path_.string(), "exists and holds no experiment; it is never replaced", kChoose);
  make_directory(path_.parent_path(), kChoose);
  take_lock();
  recover();
  if (::mkdir(staging_.c_str(), 0777) != 0)
    throw usage_error(staging_.string(), std::string("cannot be created: ") + std::strerror(errno), kChoose);
}

ExperimentDirectory::~ExperimentDirectory() {
  if (open_) ::rmdir(staging_.c_str());
  if (lock_) ::unlink(lock_path_.c_str());  // while it is held, so nobody else's
}

void ExperimentDirectory::take_lock() {
  for (;;) {
    lock_ = Fd(::open(lock_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!lock_)
      throw usage_error(lock_path_.string(), std::string("cannot be written: ") + std::strerror(errno), kChoose);
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
      lock_.reset();
      throw usage_error(path_.string(), "is being written by " + read_file(lock_path_, 4096),
                        "Wait for it, or choose another directory with --out.");
    }
    struct stat held, named;  // the holder before us may have removed the file that we locked
    if (::fstat(lock_.get(), &held) == 0 && ::stat(lock_path_.c_str(), &named) == 0 && held.st_ino == named.st_ino)
      break;
  }
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string holder = fmt::format("cotenant (pid {}) on {}", ::getpid(), host);
  if (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), holder.data(), holder.size(), 0) < 0)
    throw usage_error(lock_path_.string(), std::string("cannot be written: ") + std::strerror(errno), kChoose);
}

// What a killed driver left: an exchange in the middle, or a run.
void ExperimentDirectory::recover() {
  const fs::path old = beside(path_, ".old");
  if (fs::exists(old) && !fs::exists(path_)) rename_path(old, path_);
  if (fs::exists(old)) remove_tree(old);
  if (!fs::exists(staging_)) return;
  if (holds_files(staging_))
    abandon();
  else
    remove_tree(staging_);
  open_ = true;
}

void ExperimentDirectory::commit() {
  open_ = false;
  if (!fs::exists(path_)) return rename_path(staging_, path_);
  if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0)
    return remove_tree(staging_);
  // The file system cannot exchange. Killed in between, recover() finds <name>.old.
  const fs::path old = beside(path_, ".old");
  rename_path(path_, old);
  rename_path(staging_, path_);
  remove_tree(old);
}

fs::path ExperimentDirectory::abandon() {
  open_ = false;
  if (fs::exists(incomplete_)) remove_tree(incomplete_);
  rename_path(staging_, incomplete_);
  return incomplete_;
}

std::optional<bool> validity_of_complete_run(const fs::path& path) {
  try {
    const std::optional<ExperimentRecord> record = read_record(path);
    return record && record->validity.complete ? std::optional(record->validity.valid) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // unreadable: run again
  }
}

}  // namespace cotenant
