#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "process/channel.h"
#include "process/child.h"
#include "process/keeper.h"

// Programs that are not ours, and do with processes as they like: fork, leave their group, become daemons. Each has a
// supervisor, a process of ours to which everything that it starts falls when it loses its parent, so that all of it
// can be found and ended.
namespace cotenant {

struct ProgramRequest {
  std::string file;                                                   // a path
  std::vector<std::string> command;                                   // what it was called by, and its arguments
  std::vector<std::pair<std::string, std::string>> environment = {};  // added to ours, or replacing
  std::vector<int> cpus = {};                                         // pinned to; empty: not pinned
  int input = -1, output = -1, error = -1;                            // as SpawnRequest's
};

// The driver's side. A program lives as long as any process of it does; when the first one fails, so does all of it.
// The destructor kills all of it, and the keeper does when the driver is gone.
class SupervisedProgram {
 public:
  // `executable`: that has the `supervisor` subcommand. From the main thread only.
  SupervisedProgram(const std::string& executable, const ProgramRequest& request, Keeper& keeper);
  SupervisedProgram(const SupervisedProgram&) = delete;
  ~SupervisedProgram();

  int fd() const { return channel_.fd(); }    // to poll: its program may have ended
  pid_t pid() const { return child_.pid(); }  // of its supervisor, whose descendants the program is

  // How it has ended, with everything that it has started; none: it runs.
  std::optional<ExitStatus> status();
  std::optional<ExitStatus> wait_until(int64_t until_ns);

  // Asks all of it to end by SIGTERM; what still runs after `patience_s` is killed. Does not wait.
  void end(double patience_s);
  void kill();

 private:
  void hear();

  Keeper& keeper_;
  Channel channel_;
  Child child_;
  pid_t first_ = 0;  // of the program; 0: not known
  bool is_noted_ = false;
};

// The supervisor's life, as `cotenant supervisor`, with its socket to the driver as descriptor 3: starts the program
// and ends as it does. When the driver closes the socket, all is killed. Returns its exit code.
int supervisor_main();

}  // namespace cotenant
