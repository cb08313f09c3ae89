#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// Starting and ending processes. Nothing else in the house forks.
namespace cotenant {

struct SpawnRequest {
  std::string executable = "/proc/self/exe";
  std::string name = "cotenant";                                      // argv[0]
  std::vector<std::string> arguments = {};                            // behind it
  std::vector<std::pair<std::string, std::string>> environment = {};  // added to ours, or replacing
  std::vector<int> inherited = {};  // descriptors that the child has as 3, 4, ...; all others close
  int input = -1;                   // the child's standard input; -1: /dev/null
  int output = -1;                  // the child's standard output; -1: our standard error
  int error = -1;                   // the child's standard error; -1: where its output goes
  int directory = -1;               // the child's working directory; -1: ours
  bool own_session = false;         // else the child leads a process group of its own
};

struct ExitStatus {
  std::optional<int> code, signal;

  bool clean() const { return code == 0; }
  std::string text() const;  // "exit code 1", "killed by SIGKILL"
};
ExitStatus exit_status(int status);  // as waitpid(2) tells it

// The pid of a new process that leads a group of its own, to be reaped by the caller. From the main thread only.
pid_t spawn(const SpawnRequest& request);

// A process that leads its own group, with everything that it starts. The destructor kills the group and reaps.
class Child {
 public:
  explicit Child(const SpawnRequest& request);  // from the main thread only
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const { return pid_; }
  void signal(int number) const;  // to the whole group

  std::optional<ExitStatus> status();                      // reaps it when it has ended
  std::optional<ExitStatus> wait_until(int64_t until_ns);  // CLOCK_MONOTONIC; none: still running
  ExitStatus kill();                                       // SIGKILL to the group, and reaps

 private:
  std::optional<ExitStatus> reap(int flags);

  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
};

std::string signal_name(int number);  // "SIGKILL"

}  // namespace cotenant
