#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "driver/printed_output.h"
#include "process/channel.h"
#include "process/child.h"
#include "process/event_ring.h"
#include "process/keeper.h"
#include "sharing/share.h"
#include "worker/messages.h"

namespace cotenant {

// The driver's end of one worker: its process, its socket, the rings of its tenants and what it prints.
class WorkerProcess {
 public:
  // Starts it and tells it its tenants, of `in_all` in the run. `wires`: descriptors that it has behind its rings.
  WorkerProcess(const std::string& executable, const std::vector<TenantOrder>& tenants, size_t in_all,
                const std::vector<int>& wires, const Environment& environment, Keeper& keeper);
  WorkerProcess(WorkerProcess&&) = default;
  ~WorkerProcess();

  pid_t pid() const { return child_.pid(); }
  int socket() const { return channel_.fd(); }
  int output() const { return output_.fd(); }  // what it prints; -1 once that has ended
  EventRing& ring(size_t tenant) { return rings_.at(tenant); }

  bool send(const Command& command) { return channel_.send(to_json(command)); }

  // Takes what has come; reports in order. `at_end` turns true when the worker has closed its socket. Throws what
  // report_from_json and Channel::fill do.
  std::vector<Report> receive();
  bool at_end() const { return at_end_; }

  std::vector<std::string> read_output() { return output_.read(); }

  // Asks it to leave and waits until then. None: it did not, and has been killed.
  std::optional<ExitStatus> end(int64_t until_ns);

 private:
  Keeper* keeper_;
  std::vector<EventRing> rings_;
  Channel channel_;
  PrintedOutput output_;
  bool at_end_ = false;
  Child child_;
};

}  // namespace cotenant
