#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/fd.h"
#include "driver/plan.h"
#include "driver/printed_output.h"
#include "process/supervisor.h"
#include "results/program_log.h"

namespace cotenant {

// The program of one tenant, from the driver's side: it belongs to the driver, as the tenant's worker does, and the two
// talk by pipes that the driver makes. What the program prints is kept in its log.
//
//   external   worker -> its standard input; its standard output -> worker; its standard error -> log
//   command    whose iterations are seen: its standard output and error -> worker -> log
//   else       its standard output and error -> log
class TenantProgram {
 public:
  // Makes the pipes; nothing is started.
  TenantProgram(const TenantPlan& tenant, const std::filesystem::path& log);

  // For the worker: what it reads from, and what it writes to; empty: it has no pipe to the program or its log.
  std::vector<int> wires() const;
  void close_wires();  // once the worker has them

  // `environment`: its worker's. From the main thread only.
  void start(const std::string& executable, const Environment& environment, Keeper& keeper);
  bool is_started() const { return program_.has_value(); }

  int fd() const { return program_ ? program_->fd() : -1; }    // to poll: it may have ended
  void read_output();                                          // into the log
  const std::string& last_line() const { return last_line_; }  // that it printed there

  // How it has ended; none: it runs, or is not started.
  std::optional<ExitStatus> status();
  std::optional<ExitStatus> wait_until(int64_t until_ns);

  void end(double patience_s);  // asks it to end; see SupervisedProgram
  bool was_told_to_end() const { return told_to_end_; }
  void kill();

  void look();                                         // at which processes it consists of
  const std::set<pid_t>& now() const { return now_; }  // when last looked at, its supervisor included
  const std::set<pid_t>& ever() const { return ever_; }

  ProgramLog& log() { return log_; }

 private:
  const TenantPlan& tenant_;
  ProgramLog log_;
  PrintedOutput output_;
  std::string last_line_;
  Fd input_, printed_, errors_;  // the program's ends until it has started; errors_: none, they go with printed_
  Fd from_, to_;                 // the worker's
  std::optional<SupervisedProgram> program_;
  bool told_to_end_ = false, is_drained_ = false;
  std::set<pid_t> now_, ever_;
};

}  // namespace cotenant
