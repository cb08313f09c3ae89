#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.h"
#include "results/study.h"

// Which process runs what, settled in the shared directory alone: no server, and no flock, which NFS and Lustre may not
// have. What is relied on is that link(2) and rename(2) are atomic between hosts, and that all hosts see one file's
// modification time, which the file system's server sets by its own clock. The clocks of the hosts do not matter.
//
// A claim is a hard link from <run>.<n> to the worker's own file. Two processes cannot both make it. A thread sets the
// file's modification time anew several times within a lease; a claim whose worker gave no sign for a whole lease is
// dead, and who makes <run>.<n+1> has taken the run over: nothing has to be removed first. Should a worker that
// was only stopped wake up, it finds the run taken over, and its results go aside; and two cannot both become
// <study>/<run>, since rename(2) replaces no directory in which there is something.
namespace cotenant {

inline constexpr double kLease_s = 60;

// A process that takes part in a study.
class Worker {
 public:
  // Makes its file and starts the thread that renews it. The process's SignalWatch must be older. Throws file_error.
  Worker(const StudyFiles& files, StudyWorker who);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();  // its claims must have been given back, else they stand until the lease ends

  const std::string& name() const { return who_.name; }
  const StudyWorker& who() const { return who_; }
  const std::filesystem::path& file() const { return file_; }

  // Now by the file system's clock, since the epoch. Throws file_error.
  double file_system_time_s() const;

 private:
  void renew();

  StudyWorker who_;
  std::filesystem::path file_;
  Fd fd_;
  std::mutex mutex_;
  std::condition_variable ends_;
  bool ended_ = false;
  std::thread renewing_;
};

// The last claim on each run, as names tell; whether it is alive is another question.
std::map<std::string, int> last_claims(const StudyFiles& files);

// A claim as it stands.
struct ClaimState {
  std::optional<StudyWorker> worker;  // none: it cannot be read
  double age_s = 0;                   // since its worker's last sign of life
  bool alive = false;
};
// nullopt: it is gone.
std::optional<ClaimState> claim_state(const StudyFiles& files, const std::string& run, int number, double now_s);

// The run is this worker's until the object ends.
class Claim {
 public:
  // `last`: the number of the last claim on it, which is dead or 0 (none). nullopt: another was faster. Throws
  // file_error, as for a file system without hard links.
  static std::optional<Claim> take(const StudyFiles& files, const Worker& worker, const std::string& run, int last);
  Claim(Claim&& other) noexcept;
  Claim& operator=(Claim other) noexcept;
  ~Claim();  // gives it back

  bool is_held() const;  // nobody has taken it over
  const std::string& run() const { return run_; }

 private:
  Claim(const StudyFiles& files, std::string run, int number, ino_t inode);

  const StudyFiles* files_;
  std::string run_;
  int number_;
  ino_t inode_;
};

}  // namespace cotenant
