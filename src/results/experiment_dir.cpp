#include "results/experiment_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>  // renameat2
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <system_error>

#include "base/directory.h"
#include "base/error.h"
#include "base/input_file.h"
#include "base/new_file.h"
#include "base/open_file.h"
#include "results/own_directory.h"
#include "results/place.h"
#include "results/reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kChoose = "Choose another place with --out.";

fs::path beside(const fs::path& path, const char* suffix) {
  return path.parent_path() / (path.filename().string() + suffix);
}

[[noreturn]] void refuse_move(const fs::path& from, const fs::path& to, const std::string& why) {
  throw usage_error(to.string(), fmt::format("rename from {}: {}", from.string(), why),
                    fmt::format("The new results are in {}.", from.string()));
}

// A directory of a lower layer of an overlay (a container's image) cannot be renamed: it is copied, and then removed.
void move_directory(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  if (errno != EXDEV) refuse_move(from, to, std::strerror(errno));
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  if (error) {
    std::error_code ignored;
    fs::remove_all(to, ignored);
    refuse_move(from, to, error.message());
  }
  if (const std::string why = remove_ours(from); !why.empty()) refuse_move(from, to, why);
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

bool is_empty_directory(const fs::path& path) {
  std::error_code error;
  return is_real_directory(path) && fs::is_empty(path, error) && !error;
}

// Whether `inner` is `outer` or lies in it, links resolved.
bool is_within(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  if (!fs::exists(outer, error)) return false;
  for (fs::path at = fs::weakly_canonical(inner, error);; at = at.parent_path()) {
    if (fs::equivalent(at, outer, error)) return true;
    if (!at.has_relative_path()) return false;
  }
}

// Where a shell or a user stands: a replaced directory would be gone under their feet.
void check_nobody_is_at_home(const fs::path& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  if (!error && is_within(here, path))
    throw usage_error(path.string(), "is the current directory or above it", kChoose);
  const char* home = std::getenv("HOME");
  if (home && *home == '/' && is_within(home, path))
    throw usage_error(path.string(), "is the home directory or above it", kChoose);
}

// What stands at `path` and makes it no place for results of any kind.
void check_kind_of_place(const fs::path& path) {
  std::error_code error;
  if (fs::is_symlink(path, error))
    throw usage_error(path.string(), "is a symbolic link, which a directory of results would replace",
                      fmt::format("Name what it leads to: {}.", fs::weakly_canonical(path, error).string()));
  if (is_there(path) && !is_real_directory(path))
    throw usage_error(path.string(), "exists and is no directory", kChoose);
  check_nobody_is_at_home(path);
  if (const fs::path around = experiment_around(path); !around.empty())
    throw usage_error(path.string(), fmt::format("lies in {}, which is an experiment itself", around.string()),
                      kChoose);
}

// Whether requests were sent in any of its runs.
bool was_measured(const fs::path& directory) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(directory, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->path().filename() != "experiment.json") continue;
    try {
      if (const auto record = read_record(entry->path().parent_path()); record && record->t0_wall_s) return true;
    } catch (const Error&) {
      return true;  // nobody knows
    }
  }
  return static_cast<bool>(error);
}

// Whether there is nothing in it but empty files and the experiment's own file.
bool is_blank(const fs::path& directory) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(directory, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    if (entry->is_directory(error) && !entry->is_symlink(error)) continue;
    if (!is_real_file(entry->path())) return false;
    if (entry->path().filename() != "config.yaml" && entry->file_size(error) != 0) return false;
  }
  return !error;
}

// <name>.incomplete, <name>.staging: what they hold may be kept or replaced by us.
void check_beside(const fs::path& path) {
  if (!is_there(path)) return;
  if (const std::string why = why_not_ours(path, false); !why.empty())
    throw usage_error(path.string(), fmt::format("{}; it is never replaced", why),
                      "Move it away, or choose another place with --out.");
}

constexpr std::string_view kHolder = "cotenant (pid ";  // a lock file says
constexpr int kOpenLock = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

// Somebody's file of that name (poetry.lock) is neither written nor removed.
void check_lock_file(const Fd& lock, const fs::path& path) {
  if (!lock) throw usage_error(path.string(), std::string("cannot be written: ") + std::strerror(errno), kChoose);
  struct stat status;
  if (::fstat(lock.get(), &status) != 0) throw system_error(path.string(), "fstat");
  std::string text(kHolder.size(), '\0');
  const ssize_t got = S_ISREG(status.st_mode) ? ::pread(lock.get(), text.data(), text.size(), 0) : -1;
  if (status.st_nlink > 1 || got < 0 || (got > 0 && text != kHolder))
    throw usage_error(path.string(), "is there and is no lock of cotenant", kChoose);
}

}  // namespace

void check_place(const fs::path& path) {
  const fs::path place = checked_path(path);
  check_kind_of_place(place);
  for (const char* suffix : {".incomplete", ".staging"}) check_beside(beside(place, suffix));
  if (const fs::path lock = beside(place, ".lock"); is_there(lock))
    check_lock_file(Fd(::open(lock.c_str(), kOpenLock)), lock);
  if (!is_there(place) || is_empty_directory(place)) return;
  if (const std::string why = why_not_ours(place, true); !why.empty())
    throw usage_error(place.string(), fmt::format("{}; it is never replaced", why),
                      "Move it away, or choose another place with --out.");
}

void check_tenant_place(const fs::path& path, const fs::path& experiment) {
  const char* remedy = "Change the tenant's out_dir.";
  const fs::path place = checked_path(path), own = checked_path(experiment);
  const fs::path relative = place.lexically_relative(own);
  try {
    check_kind_of_place(place);
  } catch (const Error& error) {
    throw Error(error.code(), error.where(), error.message(), remedy);
  }
  if (!relative.empty() && *relative.begin() != "..")
    throw usage_error(place.string(), fmt::format("lies in {}, its experiment's directory", own.string()), remedy);
  if (const std::string why = why_not_our_tenant(place); !why.empty())
    throw usage_error(place.string(), fmt::format("{}; nothing there is overwritten", why), remedy);
}

ExperimentDirectory::ExperimentDirectory(const fs::path& path, bool lock)
    : path_(checked_path(path)),
      staging_(beside(path_, ".staging")),
      incomplete_(beside(path_, ".incomplete")),
      lock_path_(beside(path_, ".lock")) {
  check_place(path_);
  make_directory(path_.parent_path(), kChoose);
  if (lock) take_lock();
  recover();
  if (::mkdir(staging_.c_str(), 0777) != 0)
    throw usage_error(staging_.string(), std::string("cannot be created: ") + std::strerror(errno), kChoose);
  create_file(staging_ / kBegunName);
}

ExperimentDirectory::~ExperimentDirectory() {
  if (open_ && is_blank(staging_)) remove_ours(staging_);
  if (lock_) ::unlink(lock_path_.c_str());  // while it is held, so nobody else's
}

void ExperimentDirectory::take_lock() {
  for (;;) {
    lock_ = Fd(::open(lock_path_.c_str(), kOpenLock | O_CREAT, 0666));
    struct stat held, named;  // the holder before us may have removed the file that we locked
    try {
      check_lock_file(lock_, lock_path_);
      if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw usage_error(path_.string(), "is being written by " + read_file(lock_path_, 4096),
                          "Wait for it, or choose another directory with --out.");
    } catch (...) {
      lock_.reset();  // not ours: the destructor of what holds it removes it
      throw;
    }
    if (::fstat(lock_.get(), &held) == 0 && ::lstat(lock_path_.c_str(), &named) == 0 && held.st_ino == named.st_ino)
      break;
  }
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string holder = fmt::format("{}{}) on {}", kHolder, ::getpid(), host);
  if (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), holder.data(), holder.size(), 0) < 0)
    throw usage_error(lock_path_.string(), std::string("cannot be written: ") + std::strerror(errno), kChoose);
}

// What a killed driver left: a run, or an exchange in the middle.
void ExperimentDirectory::recover() {
  if (!is_there(staging_)) return;
  check_beside(staging_);
  remove_left_over(staging_);
  if (is_there(staging_ / kReplacedName) && !is_there(path_)) {
    move_directory(staging_, path_);
    return;
  }
  abandon();
  open_ = true;
}

bool ExperimentDirectory::blank() const {
  return is_blank(staging_);
}

void ExperimentDirectory::commit() {
  const bool replaces = is_there(path_) && !is_empty_directory(path_);
  if (const std::string why = replaces ? why_not_ours(path_, true) : ""; !why.empty())
    throw usage_error(path_.string(), why + "; it is not replaced", "The new results are kept beside it.");
  open_ = false;
  ::unlink((staging_ / kBegunName).c_str());
  if (!is_there(path_)) return move_directory(staging_, path_);
  exchange();
}

void ExperimentDirectory::exchange() {
  const auto remove_earlier = [](const fs::path& earlier) {
    if (::rmdir(earlier.c_str()) != 0) remove_ours(earlier);  // what cannot be removed is told by the next run
  };
  if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, path_.c_str(), RENAME_EXCHANGE) == 0)
    return remove_earlier(staging_);
  // The file system cannot exchange. Killed in between, recover() or the next run's commit() finds it.
  const fs::path replaced = staging_ / kReplacedName;
  move_directory(path_, replaced);
  move_directory(staging_, path_);
  remove_earlier(path_ / kReplacedName);
}

fs::path ExperimentDirectory::abandon() {
  open_ = false;
  if (is_real_file(staging_ / "experiment.json")) ::unlink((staging_ / kBegunName).c_str());
  const auto numbered = [this] {
    for (int number = 2;; ++number)
      if (const fs::path free = beside(path_, fmt::format(".incomplete.{}", number).c_str()); !is_there(free))
        return free;
  };
  // An earlier one makes room, but is not lost. What somebody else has put there since we began stays where it is.
  if (is_there(incomplete_) && why_not_ours(incomplete_, false).empty()) {
    if (was_measured(incomplete_))
      move_directory(incomplete_, numbered());
    else
      remove_ours(incomplete_);
  }
  const fs::path kept = is_there(incomplete_) ? numbered() : incomplete_;
  move_directory(staging_, kept);
  return kept;
}

}  // namespace cotenant
