#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cotenant {

// The pids of /proc, as far as it can be read; processes that end meanwhile are no failure.
std::vector<pid_t> all_processes(const std::string& proc = "/proc");

// As proc(5) tells it.
struct ProcessState {
  char state = 0;  // 'Z': it has ended, and waits for its parent to reap it
  pid_t parent = 0, group = 0;
};
std::optional<ProcessState> process_state(pid_t pid);  // none: there is no such process

using ProcessTable = std::map<pid_t, ProcessState>;
ProcessTable process_table();

// Everything that a process has started and what that has started, without itself and without what has ended. What has
// lost its parent is still among them where the process is a subreaper (prctl(2)).
std::vector<pid_t> descendants_of(pid_t ancestor, const ProcessTable& table = process_table());

}  // namespace cotenant
