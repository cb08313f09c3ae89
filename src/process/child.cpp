#include "process/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

namespace cotenant {
namespace {

constexpr int kFirstInherited = 3;
constexpr int64_t kPollNs = 2'000'000;

void check(int error, const char* call) {
  if (error == 0) return;
  errno = error;
  throw system_error("spawn", call);
}

// Descriptors at numbers above every target, so that no dup2 overwrites one that is still to be copied.
Fd moved_up(int fd, int above) {
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, above));
  if (!copy) throw system_error("spawn", "fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

class FileActions {
 public:
  explicit FileActions(const SpawnRequest& request) {
    check(posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
    if (request.directory >= 0) check(posix_spawn_file_actions_addfchdir_np(&actions_, request.directory), "addfchdir");
    const int above = kFirstInherited + static_cast<int>(request.inherited.size());
    if (request.input < 0) {
      check(posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0), "addopen");
    } else {
      copies_.push_back(moved_up(request.input, above));
      copy_to(copies_.back().get(), STDIN_FILENO);
    }
    const int output = request.output < 0 ? STDERR_FILENO : request.output;
    copies_.push_back(moved_up(output, above));
    copy_to(copies_.back().get(), STDOUT_FILENO);
    copies_.push_back(moved_up(request.error < 0 ? output : request.error, above));
    copy_to(copies_.back().get(), STDERR_FILENO);
    for (size_t i = 0; i < request.inherited.size(); ++i) {
      copies_.push_back(moved_up(request.inherited[i], above));
      copy_to(copies_.back().get(), kFirstInherited + static_cast<int>(i));
    }
    // What our own parent left open in us is none of the child's business either.
    check(posix_spawn_file_actions_addclosefrom_np(&actions_, above), "addclosefrom");
  }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;

  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  void copy_to(int from, int to) { check(posix_spawn_file_actions_adddup2(&actions_, from, to), "adddup2"); }

  posix_spawn_file_actions_t actions_;
  std::vector<Fd> copies_;
};

class Attributes {
 public:
  explicit Attributes(const SpawnRequest& request) {
    check(posix_spawnattr_init(&attributes_), "posix_spawnattr_init");
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    const int group = request.own_session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP;
    check(posix_spawnattr_setflags(&attributes_,
                                   static_cast<short>(group | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF)),
          "posix_spawnattr_setflags");
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& additions) {
  std::vector<std::string> environment;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const bool replaced =
        std::ranges::any_of(additions, [&](const auto& added) { return text.starts_with(added.first + "="); });
    if (!replaced) environment.emplace_back(text);
  }
  for (const auto& [name, value] : additions) environment.push_back(name + "=" + value);
  return environment;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& string : strings) out.push_back(string.data());
  out.push_back(nullptr);
  return out;
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal) return "killed by " + signal_name(*signal);
  return fmt::format("exit code {}", code.value_or(-1));
}

ExitStatus exit_status(int status) {
  if (WIFSIGNALED(status)) return {.code = {}, .signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status), .signal = {}};
}

std::string signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
}

pid_t spawn(const SpawnRequest& request) {
  const FileActions actions(request);
  const Attributes attributes(request);
  std::vector<std::string> arguments{request.name};
  arguments.insert(arguments.end(), request.arguments.begin(), request.arguments.end());
  std::vector<std::string> environment = environment_with(request.environment);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, request.executable.c_str(), actions.get(), attributes.get(),
                                  pointers(arguments).data(), pointers(environment).data());
  if (error != 0) {
    errno = error;
    throw system_error(request.executable, "posix_spawn");
  }
  return pid;
}

Child::Child(const SpawnRequest& request) : pid_(spawn(request)) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), status_(std::exchange(other.status_, std::nullopt)) {}

Child::~Child() {
  if (pid_ > 0) kill();
}

void Child::signal(int number) const {
  if (!status_) ::kill(-pid_, number);  // once reaped, the number may be somebody else's
}

std::optional<ExitStatus> Child::status() {
  return reap(WNOHANG);
}

std::optional<ExitStatus> Child::wait_until(int64_t until_ns) {
  for (;;) {
    if (auto ended = reap(WNOHANG)) return ended;
    if (now_ns() >= until_ns) return std::nullopt;
    sleep_until_ns(std::min(until_ns, now_ns() + kPollNs));
  }
}

ExitStatus Child::kill() {
  signal(SIGKILL);
  return *reap(0);
}

std::optional<ExitStatus> Child::reap(int flags) {
  if (status_) return status_;
  siginfo_t info{};
  int failed;
  while ((failed = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT | flags)) != 0 && errno == EINTR) {
  }
  if (failed != 0) throw system_error("worker", "waitid");
  if (info.si_pid == 0) return std::nullopt;
  ::kill(-pid_, SIGKILL);  // what it left behind in its group, whose number is its own until it is reaped
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  return status_ = exit_status(status);
}

}  // namespace cotenant
