#include "process/keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/processes.h"
#include "base/text.h"
#include "process/line_buffer.h"
#include "process/pipe.h"
#include "process/words.h"

namespace cotenant {
namespace {

constexpr int kPipe = 3;
constexpr int64_t kPatienceNs = 2'000'000'000;
constexpr int64_t kCommandNs = 6'000'000'000;

constexpr std::string_view kAtEnd = "at-end\t", kNotAtEnd = "not-at-end\t", kLastWords = "last-words\t";

// By number: the header of glibc 2.36 declares its functions for C only.
Fd open_pidfd(pid_t pid) {
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

// Of a process group, held so that its number can be told from the same number given again.
struct Leader {
  explicit Leader(pid_t pid) : pidfd(open_pidfd(pid)), was_reaped(!pidfd && errno == ESRCH) {}

  Fd pidfd;  // none where the kernel has no more of them
  bool was_reaped;
};

// What is to be ended, and run, when the driver is gone.
struct Orders {
  std::map<pid_t, Leader> groups;
  std::set<std::string> commands;  // arguments, separated by tabs
  std::string last_words;
};

// No child of ours has the number 1 or a lesser one, and to kill(2) they mean many processes.
bool may_be_watched(pid_t group) {
  return group > 1;
}

void obey(const std::string& line, Orders& orders) {
  int group = 0;
  if (std::sscanf(line.c_str(), "watch %d", &group) == 1 && may_be_watched(group))
    orders.groups.insert_or_assign(group, Leader(group));
  if (std::sscanf(line.c_str(), "forget %d", &group) == 1) orders.groups.erase(group);
  if (line.starts_with(kAtEnd)) orders.commands.insert(line.substr(kAtEnd.size()));
  if (line.starts_with(kLastWords)) orders.last_words = line.substr(kLastWords.size());
  if (line.starts_with(kNotAtEnd)) orders.commands.erase(line.substr(kNotAtEnd.size()));
}

Orders read_until_end() {
  Orders orders;
  LineBuffer lines;
  char bytes[4096];
  for (;;) {
    const ssize_t got = ::read(kPipe, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return orders;
    lines.append({bytes, static_cast<size_t>(got)});
    while (const auto line = lines.next()) obey(*line, orders);
  }
}

// Once a group's leader is reaped and the group is empty, its number is given to others. While the group has members it
// is not: so whoever has it then is no leader of ours.
bool is_somebody_elses(pid_t pid, const Leader& leader) {
  const bool reaped =
      leader.was_reaped ||
      (leader.pidfd && ::syscall(SYS_pidfd_send_signal, leader.pidfd.get(), 0, nullptr, 0) != 0 && errno == ESRCH);
  return reaped && (::kill(pid, 0) == 0 || errno == EPERM);
}

// What its leader has started in other groups is ended first, as long as it can be found as its descendant. What waits
// for a parent to reap it has ended: our driver's children may be left to an init that never does. `table`: of before.
bool has_ended(pid_t leader, const ProcessTable& table) {
  const std::vector<pid_t> others = descendants_of(leader, table);
  for (const pid_t pid : others) ::kill(pid, SIGKILL);
  if (!others.empty()) return false;
  if (::kill(-leader, SIGKILL) != 0 && errno == ESRCH) return true;
  return std::ranges::none_of(
      table, [&](const auto& process) { return process.second.group == leader && process.second.state != 'Z'; });
}

// SIGKILL until nobody is left; false: somebody is.
bool kill_all(std::map<pid_t, Leader> groups) {
  const int64_t deadline_ns = now_ns() + kPatienceNs;
  while (!groups.empty() && now_ns() < deadline_ns) {
    std::erase_if(groups, [table = process_table()](const auto& group) {
      const auto& [pid, leader] = group;
      return is_somebody_elses(pid, leader) || has_ended(pid, table);
    });
    if (!groups.empty()) sleep_until_ns(now_ns() + 10'000'000);
  }
  return groups.empty();
}

bool run_to_end(const std::string& command) {
  SpawnRequest request;
  request.arguments = split(command);
  Child child(request);
  const auto status = child.wait_until(now_ns() + kCommandNs);
  return status && status->clean();
}

std::string watch_order(pid_t group) {
  return fmt::format("watch {}", group);
}

std::string end_order(std::string_view verb, const std::vector<std::string>& arguments) {
  return std::string(verb) + joined(arguments);
}

}  // namespace

Keeper::Keeper(const std::string& executable) : executable_(executable) {
  start();
}

void Keeper::start() {
  auto [reading, writing] = make_pipe("keeper");
  ::fcntl(writing.get(), F_SETFL, O_NONBLOCK);
  pipe_ = std::move(writing);
  SpawnRequest request;
  request.executable = executable_;
  request.arguments = {"keeper"};
  request.inherited = {reading.get()};
  request.own_session = true;
  process_.emplace(request);
}

Keeper::~Keeper() {
  last_words("");
  pipe_.reset();
  process_->wait_until(now_ns() + kPatienceNs);
}

void Keeper::watch(pid_t group) {
  standing_.insert(watch_order(group));
  tell(watch_order(group));
}

void Keeper::forget(pid_t group) {
  standing_.erase(watch_order(group));
  tell(fmt::format("forget {}", group));
}

void Keeper::at_end(const std::vector<std::string>& arguments) {
  standing_.insert(end_order(kAtEnd, arguments));
  tell(end_order(kAtEnd, arguments));
}

void Keeper::not_at_end(const std::vector<std::string>& arguments) {
  standing_.erase(end_order(kAtEnd, arguments));
  tell(end_order(kNotAtEnd, arguments));
}

void Keeper::last_words(const std::string& line) {
  last_words_ = std::string(kLastWords) + one_line(line);
  tell(last_words_);
}

std::optional<std::string> Keeper::revive() {
  const auto ended = process_->status();
  if (!ended) return std::nullopt;
  start();
  for (const std::string& order : standing_) send(order);
  send(last_words_);
  return ended->text();
}

// One that has read nothing for so long that its pipe is full hangs, and is ended. Without a keeper the workers still
// end by themselves when their sockets do, until it is revived.
void Keeper::tell(const std::string& line) {
  if (!send(line)) process_->kill();
}

bool Keeper::send(const std::string& line) {
  const std::string text = line + '\n';
  for (std::string_view left = text; !left.empty();) {
    const ssize_t written = ::write(pipe_.get(), left.data(), left.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    left.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

int keeper_main() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
  ::prctl(PR_SET_NAME, "cotenant-keeper");
  Orders orders = read_until_end();
  bool done = kill_all(std::move(orders.groups));
  for (const std::string& command : orders.commands) done = run_to_end(command) && done;
  if (!orders.last_words.empty()) std::fputs((orders.last_words + "\n").c_str(), stderr);
  return done ? 0 : 1;
}

}  // namespace cotenant
