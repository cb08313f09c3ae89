#include "cluster/claims.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "base/new_file.h"
#include "base/path_component.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestHost = 64;  // in a worker's name

double seconds_of(const timespec& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

fs::path claim_file(const StudyFiles& files, const std::string& run, int number) {
  return files.in("claims", fmt::format("{}.{}", run, number));
}

StudyWorker named(StudyWorker worker) {
  worker.name = fmt::format("{}-{}-{}", path_component(worker.host, kLongestHost), worker.pid, random_name());
  return worker;
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Worker::Worker(const StudyFiles& files, StudyWorker who)
    : who_(named(std::move(who))), file_(files.in("workers", who_.name)), fd_(create_file(file_)) {
  if (!write_whole(fd_.get(), to_json(who_)) || ::fsync(fd_.get()) != 0) {
    const Error error = file_error(file_.string(), "write");
    ::unlink(file_.c_str());
    throw error;
  }
  renewing_ = std::thread([this] { renew(); });
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ends_.notify_all();
  renewing_.join();
  ::unlink(file_.c_str());
}

double Worker::file_system_time_s() const {
  struct stat status;
  if (::futimens(fd_.get(), nullptr) != 0 || ::fstat(fd_.get(), &status) != 0)
    throw file_error(file_.string(), "futimens");
  return seconds_of(status.st_mtim);
}

// A failure is no reason to end a measurement: if it lasts, the claim is taken over, and is_held() says so.
void Worker::renew() {
  const auto period = std::chrono::duration<double>(who_.lease_s / 5);
  std::unique_lock lock(mutex_);
  while (!ends_.wait_for(lock, period, [this] { return ended_; })) ::futimens(fd_.get(), nullptr);
}

std::map<std::string, int> last_claims(const StudyFiles& files) {
  std::map<std::string, int> last;
  for (const std::string& name : names_in(files.in("claims"))) {
    const size_t dot = name.rfind('.');
    int number = 0;
    if (dot == std::string::npos) continue;
    const auto [end, error] = std::from_chars(name.data() + dot + 1, name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size() || number < 1) continue;
    int& greatest = last[name.substr(0, dot)];
    greatest = std::max(greatest, number);
  }
  return last;
}

std::optional<ClaimState> claim_state(const StudyFiles& files, const std::string& run, int number, double now_s) {
  const fs::path file = claim_file(files, run, number);
  // Opened, because NFS asks the server then, and answers stat(2) alone from what it remembers.
  const Fd fd(::open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (!fd || ::fstat(fd.get(), &status) != 0) return std::nullopt;
  ClaimState state{.worker = read_worker(file), .age_s = now_s - seconds_of(status.st_mtim)};
  state.alive = state.age_s < (state.worker ? state.worker->lease_s : kLease_s);
  return state;
}

std::optional<Claim> Claim::take(const StudyFiles& files, const Worker& worker, const std::string& run, int last) {
  const fs::path file = claim_file(files, run, last + 1);
  struct stat own, claimed;
  if (::lstat(worker.file().c_str(), &own) != 0) throw file_error(worker.file().string(), "stat");
  // A server whose answer was lost may say that the link is there because we have just made it: what counts is whose it
  // is.
  const bool made = ::link(worker.file().c_str(), file.c_str()) == 0;
  const int error = errno;
  const bool is_ours = ::lstat(file.c_str(), &claimed) == 0 && claimed.st_ino == own.st_ino;
  if (is_ours) {
    if (last > 0) ::unlink(claim_file(files, run, last).c_str());  // else it would seem to hold again after this one
    return Claim(files, run, last + 1, own.st_ino);
  }
  if (made || error == EEXIST) return std::nullopt;
  errno = error;
  if (error == EPERM || error == EOPNOTSUPP || error == EMLINK)
    throw usage_error(files.directory().string(), "its file system has no hard links, by which runs are claimed",
                      "Choose a directory on another file system with --study.");
  throw file_error(file.string(), "link");
}

Claim::Claim(const StudyFiles& files, std::string run, int number, ino_t inode)
    : files_(&files), run_(std::move(run)), number_(number), inode_(inode) {}

Claim::Claim(Claim&& other) noexcept
    : files_(std::exchange(other.files_, nullptr)),
      run_(std::move(other.run_)),
      number_(other.number_),
      inode_(other.inode_) {}

Claim& Claim::operator=(Claim other) noexcept {
  std::swap(files_, other.files_);
  std::swap(run_, other.run_);
  std::swap(number_, other.number_);
  std::swap(inode_, other.inode_);
  return *this;
}

Claim::~Claim() {
  if (files_ && is_held()) ::unlink(claim_file(*files_, run_, number_).c_str());
}

bool Claim::is_held() const {
  struct stat status;
  const bool ours = ::lstat(claim_file(*files_, run_, number_).c_str(), &status) == 0 && status.st_ino == inode_;
  return ours && ::lstat(claim_file(*files_, run_, number_ + 1).c_str(), &status) != 0;
}

}  // namespace cotenant
