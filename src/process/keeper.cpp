#include "process/keeper.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <set>

#include "base/clock.h"
#include "base/error.h"
#include "process/line_buffer.h"

namespace cotenant {
namespace {

constexpr int kPipe = 3;
constexpr int64_t kPatienceNs = 2'000'000'000;

void obey(const std::string& line, std::set<pid_t>& groups) {
  int group = 0;
  if (std::sscanf(line.c_str(), "watch %d", &group) == 1) groups.insert(group);
  if (std::sscanf(line.c_str(), "forget %d", &group) == 1) groups.erase(group);
}

std::set<pid_t> read_until_end() {
  std::set<pid_t> groups;
  LineBuffer lines;
  char bytes[4096];
  for (;;) {
    const ssize_t got = ::read(kPipe, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return groups;
    lines.append({bytes, static_cast<size_t>(got)});
    while (const auto line = lines.next()) obey(*line, groups);
  }
}

}  // namespace

Keeper::Keeper(const std::string& executable) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error("keeper", "pipe2");
  const Fd reading(fds[0]);
  pipe_ = Fd(fds[1]);
  SpawnRequest request;
  request.executable = executable;
  request.arguments = {"keeper"};
  request.inherited = {reading.get()};
  request.own_session = true;
  process_.emplace(request);
}

Keeper::~Keeper() {
  pipe_.reset();
  process_->wait_until(now_ns() + kPatienceNs);
}

void Keeper::watch(pid_t group) {
  tell(fmt::format("watch {}\n", group));
}

void Keeper::forget(pid_t group) {
  tell(fmt::format("forget {}\n", group));
}

// Without a keeper (somebody killed it) the workers still end by themselves when their sockets do.
void Keeper::tell(const std::string& line) {
  while (::write(pipe_.get(), line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

int keeper_main() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
  ::prctl(PR_SET_NAME, "cotenant-keeper");
  std::set<pid_t> groups = read_until_end();
  const int64_t deadline_ns = now_ns() + kPatienceNs;
  while (!groups.empty() && now_ns() < deadline_ns) {
    std::erase_if(groups, [](pid_t group) { return ::kill(-group, SIGKILL) != 0 && errno == ESRCH; });
    if (!groups.empty()) sleep_until_ns(now_ns() + 10'000'000);
  }
  return groups.empty() ? 0 : 1;
}

}  // namespace cotenant
