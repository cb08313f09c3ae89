#pragma once

#include <stdexcept>
#include <string>

namespace cotenant {

// The exit codes of the program. docs/architecture.md has the same table for users.
enum class ExitCode : int {
  valid = 0,
  internal = 1,       // a defect of cotenant, or of the system under it
  usage = 2,          // the command line, the configuration, a model or a machine that does not fit them
  tenant_died = 3,    // a worker ended by a signal or with an error of its own
  invalid = 4,        // complete, but not to be trusted; the reasons are in experiment.json
  threshold = 5,      // a threshold that was asked for was not met
  cannot_tell = 6,    // whether it was met cannot be told
  hangup = 129,       // SIGHUP: the terminal was closed
  interrupted = 130,  // Ctrl-C
  terminated = 143,   // SIGTERM
};

// The one exception of cotenant. cli/ tells it to the user, and a worker's main sends it to the driver; in between it
// is caught only where the work goes on without what failed.
//   where  file:line:column, a key path, a tensor's name, a path; may be empty
//   what   what is wrong: expectation and finding
//   remedy what to do about it; may be empty
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string where, std::string what, std::string remedy = "");

  ExitCode code() const { return code_; }
  const std::string& where() const { return where_; }
  const std::string& message() const { return message_; }
  const std::string& remedy() const { return remedy_; }
  // what() is all of it: "<where>: <message>\n  <remedy>"

 private:
  ExitCode code_;
  std::string where_, message_, remedy_;
};

// Something the user can mend: exit code 2.
Error usage_error(std::string where, std::string what, std::string remedy = "");

// A system call that failed. Reads errno: "<where>: <call>: No space left on device". Exit code 1.
Error system_error(std::string where, const std::string& call);

// A condition that no input can break. Exit code 1, and asks for a report.
Error internal_error(std::string where, std::string what);

}  // namespace cotenant
