#include "process/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>

#include "base/affinity.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/processes.h"
#include "process/words.h"

namespace cotenant {
namespace {

constexpr int kSocketToDriver = 3;
constexpr int64_t kKillNs = 2'000'000'000;  // for SIGKILL to have its effect
constexpr int64_t kLookAgainNs = 5'000'000;
constexpr double kSignalledPatienceS = 2;  // of a supervisor that is itself told to end
constexpr std::string_view kStarted = "started ", kEnd = "end ";
constexpr int kNotStarted = 127;  // as shells have it

int number_behind(std::string_view line, std::string_view verb) {
  int number = 0;
  line.remove_prefix(verb.size());
  std::from_chars(line.data(), line.data() + line.size(), number);
  return number;
}

void kill_each(const std::vector<pid_t>& pids, int number) {
  for (const pid_t pid : pids) ::kill(pid, number);
}

class Supervisor {
 public:
  explicit Supervisor(Channel channel) : channel_(std::move(channel)) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
    if (!signals_) throw system_error("supervisor", "signalfd");
  }

  // How the program ended.
  ExitStatus run() {
    start(split(channel_.receive().value_or("")));
    while (!is_over()) {
      wait();
      take_signals();
      obey();
      reap();
    }
    kill_rest();
    return first_ended_.value_or(ExitStatus{.code = {}, .signal = SIGKILL});
  }

 private:
  // A file, CPUs to be pinned to as "0,1,", the name it was called by, and its arguments.
  void start(std::vector<std::string> order) {
    if (order.size() < 3) throw internal_error("supervisor", "its order is no program");
    std::vector<int> cpus;
    for (const char* at = order[1].data(); at != order[1].data() + order[1].size();) {
      at = std::from_chars(at, order[1].data() + order[1].size(), cpus.emplace_back()).ptr;
      if (*at == ',') ++at;
    }
    if (!cpus.empty()) set_affinity(cpus);
    first_ = spawn({.executable = order[0],
                    .name = order[2],
                    .arguments = {order.begin() + 3, order.end()},
                    .input = STDIN_FILENO,
                    .output = STDOUT_FILENO,
                    .error = STDERR_FILENO});
    channel_.send(fmt::format("{}{}", kStarted, first_));
    // Whoever is at the other end of its pipes must see when the program closes them.
    const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), number);
  }

  bool is_over() const {
    return driver_gone_ || !has_children_ || (first_ended_ && !first_ended_->clean()) ||
           (deadline_ns_ != 0 && now_ns() >= deadline_ns_);
  }

  void wait() const {
    pollfd descriptors[]{{channel_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    const int64_t left_ns = deadline_ns_ == 0 ? 0 : std::max<int64_t>(0, deadline_ns_ - now_ns());
    ::poll(descriptors, 2, deadline_ns_ == 0 ? -1 : static_cast<int>(left_ns / 1'000'000 + 1));
  }

  void take_signals() {
    for (signalfd_siginfo info; ::read(signals_.get(), &info, sizeof info) == sizeof info;)
      if (info.ssi_signo != SIGCHLD) ask_to_end(kSignalledPatienceS);
  }

  void obey() {
    driver_gone_ = !channel_.fill();
    while (const auto line = channel_.next())
      if (line->starts_with(kEnd)) ask_to_end(number_behind(*line, kEnd) * 1e-3);
  }

  void ask_to_end(double patience_s) {
    if (deadline_ns_ != 0) return;
    deadline_ns_ = now_ns() + s_to_ns(patience_s);
    kill_each(descendants_of(::getpid()), SIGTERM);
  }

  // Also what the program has left to us: all that has lost its parent.
  void reap() {
    for (;;) {
      int status = 0;
      const pid_t ended = ::waitpid(-1, &status, WNOHANG);
      if (ended < 0 && errno == EINTR) continue;
      has_children_ = ended >= 0;
      if (ended <= 0) return;
      if (ended == first_) first_ended_ = exit_status(status);
    }
  }

  void kill_rest() {
    for (const int64_t until_ns = now_ns() + kKillNs; has_children_ && now_ns() < until_ns; reap()) {
      kill_each(descendants_of(::getpid()), SIGKILL);
      sleep_until_ns(now_ns() + kLookAgainNs);
    }
  }

  Channel channel_;
  Fd signals_;
  pid_t first_ = 0;
  std::optional<ExitStatus> first_ended_;
  bool has_children_ = true, driver_gone_ = false;
  int64_t deadline_ns_ = 0;  // of a program that was asked to end; 0: it was not
};

std::string order_line(const ProgramRequest& request) {
  std::string cpus;
  for (const int cpu : request.cpus) cpus += fmt::format("{},", cpu);
  std::vector<std::string> order{request.file, cpus};
  order.insert(order.end(), request.command.begin(), request.command.end());
  return joined(order);
}

}  // namespace

SupervisedProgram::SupervisedProgram(const std::string& executable, const ProgramRequest& request, Keeper& keeper)
    : keeper_(keeper), channel_(Fd()), child_([&] {
        auto [ours, theirs] = Channel::make_pair();
        channel_ = std::move(ours);
        return Child({.executable = executable,
                      .arguments = {"supervisor"},
                      .environment = request.environment,
                      .inherited = {theirs.fd()},
                      .input = request.input,
                      .output = request.output,
                      .error = request.error,
                      .own_session = true});
      }()) {
  keeper_.watch(child_.pid());
  channel_.send(order_line(request));
}

SupervisedProgram::~SupervisedProgram() {
  kill();
}

void SupervisedProgram::hear() {
  if (channel_.fd() < 0) return;
  channel_.fill();
  while (const auto line = channel_.next()) {
    if (!line->starts_with(kStarted) || first_ != 0) continue;
    first_ = std::max(0, number_behind(*line, kStarted));
    if (first_ > 1) keeper_.watch(first_);  // should the supervisor itself be killed
  }
}

std::optional<ExitStatus> SupervisedProgram::status() {
  hear();
  const auto ended = child_.status();
  if (!ended || is_noted_) return ended;
  is_noted_ = true;
  // A supervisor that somebody has killed ended nothing.
  if (ended->signal && first_ > 1) ::kill(-first_, SIGKILL);
  keeper_.forget(child_.pid());
  if (first_ > 1) keeper_.forget(first_);
  return ended;
}

std::optional<ExitStatus> SupervisedProgram::wait_until(int64_t until_ns) {
  child_.wait_until(until_ns);
  return status();
}

void SupervisedProgram::end(double patience_s) {
  if (!is_noted_) channel_.send(fmt::format("{}{:.0f}", kEnd, patience_s * 1e3));
}

// A supervisor that is stopped does not see the end of its socket.
void SupervisedProgram::kill() {
  if (is_noted_) return;
  hear();
  channel_ = Channel(Fd());
  if (!child_.wait_until(now_ns() + kKillNs)) {
    kill_each(descendants_of(child_.pid()), SIGKILL);
    child_.kill();
  }
  status();
}

int supervisor_main() {
  ::prctl(PR_SET_NAME, "cotenant-superv");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGPIPE, SIG_IGN);
  ::fcntl(kSocketToDriver, F_SETFD, FD_CLOEXEC);
  ExitStatus ended{.code = kNotStarted, .signal = {}};
  try {
    ended = Supervisor(Channel(Fd(kSocketToDriver))).run();
  } catch (const Error& error) {
    std::fputs(fmt::format("{}\n", error.what()).c_str(), stderr);
  }
  if (!ended.signal) return ended.code.value_or(kNotStarted);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);  // the program's own is enough
  ::signal(*ended.signal, SIG_DFL);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_UNBLOCK, &all, nullptr);
  ::raise(*ended.signal);
  return 128 + *ended.signal;
}

}  // namespace cotenant
