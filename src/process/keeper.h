#pragma once

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "process/child.h"

// A process in a session of its own that outlives the driver just long enough to end what the driver started, even when
// the driver is killed: it holds the reading end of a pipe to it, and an end of file is the driver's end.
namespace cotenant {

// The driver's side. Started before any worker. Should the keeper be killed, another one takes its orders over.
class Keeper {
 public:
  explicit Keeper(const std::string& executable);
  ~Keeper();  // closes the pipe and waits; nothing is watched any more by then, or is killed

  // A process group that must not outlive us; nor must what its leader has started in other groups.
  void watch(pid_t group);
  void forget(pid_t group);  // it has ended and is reaped: at once, since its number may be given again

  // This program's arguments, to be run (each command at most 6 s) once the watched groups have ended: what must be
  // undone and is no process group.
  void at_end(const std::vector<std::string>& arguments);
  void not_at_end(const std::vector<std::string>& arguments);  // it is done already

  // A line for standard error when the driver is killed, since nobody else is there to say anything. Empty: none.
  void last_words(const std::string& line);

  // Has somebody ended the keeper, this starts another one, and tells how the old one ended.
  std::optional<std::string> revive();

 private:
  void start();
  void tell(const std::string& line);
  bool send(const std::string& line);

  const std::string executable_;
  Fd pipe_;
  std::optional<Child> process_;
  std::set<std::string> standing_;  // orders that are to be carried out, as they were told
  std::string last_words_;          // as it was told
};

// The keeper's own life, as `cotenant keeper`, with the pipe as descriptor 3. Returns its exit code.
int keeper_main();

}  // namespace cotenant
