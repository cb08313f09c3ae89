#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"
#include "process/child.h"

// A process in a session of its own that outlives the driver just long enough to end what the driver started, even when
// the driver is killed: it holds the reading end of a pipe to it, and an end of file is the driver's end.
namespace cotenant {

// The driver's side. Started before any worker.
class Keeper {
 public:
  explicit Keeper(const std::string& executable);
  ~Keeper();  // closes the pipe and waits; nothing is watched any more by then, or is killed

  void watch(pid_t group);   // a process group that must not outlive us
  void forget(pid_t group);  // it has ended and is reaped

 private:
  void tell(const std::string& line);

  Fd pipe_;
  std::optional<Child> process_;
};

// The keeper's own life, as `cotenant keeper`, with the pipe as descriptor 3. Returns its exit code.
int keeper_main();

}  // namespace cotenant
