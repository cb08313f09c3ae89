#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "process/child.h"
#include "process/keeper.h"
#include "sharing/share.h"

// NVIDIA MPS: a daemon of our own, for one run. Any user can start one; its pipe and log directories are private, so it
// meets no other daemon and no other user's programs. See NVIDIA's "Multi-Process Service" for the variables.
namespace cotenant {

// Why there can be no MPS here: "no nvidia-cuda-mps-control on PATH"; empty when there can.
std::string mps_problem();

// Why a daemon could not have its sockets in the place for temporary files, and what to do; empty: it can.
std::pair<std::string, std::string> mps_place_problem();

// The variable that sets a client's share of the multiprocessors.
inline constexpr const char* mps_share_variable = "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";

// The most clients that a device takes: 48 contexts up to CUDA 12 and at least as many later (NVIDIA's documentation).
inline constexpr int mps_least_client_limit = 48;

// What keeps a process from being the client of any daemon on the machine: a pipe directory that cannot exist. (With no
// daemon behind it, a program runs without MPS.)
Environment without_mps();

// Makes this process, and what it starts without another order, no client of any daemon, and forgets limits for clients
// that the user's shell has set: tenants get theirs from the configuration. Asking the driver what devices
// there are would make it one. Before the first such question.
void be_no_mps_client();

// What a worker's environment gets for its share: CUDA_MPS_ACTIVE_THREAD_PERCENTAGE, CUDA_MPS_PINNED_DEVICE_MEM_LIMIT
// (of `device`, its ordinal) and CUDA_MPS_CLIENT_PRIORITY, whose only values are 0 (normal) and 1 (below normal: a
// negative priority of ours).
Environment mps_share_environment(std::optional<double> sm_percent, std::optional<int> priority,
                                  std::optional<uint64_t> memory_limit_bytes, int device);

// The multiprocessors that a client with this percentage sees: the share rounded down to whole pairs (texture
// processing clusters), as measured on an H100: 132 at 100, 66 at 50, 32 at 25, 12 at 10.
int mps_share_sms(double sm_percent, int sm_count);

// From the constructor on the daemon accepts clients; when the object is gone, so are daemon, server and directory. If
// this process dies first, the keeper does the same.
class MpsDaemon {
 public:
  // `device_uuid`: of the one GPU that it serves ("GPU-..."), so that it does not touch others, on which somebody else
  // may be measuring; empty: all that this process sees. Throws usage_error when there are no MPS programs, and an
  // Error with the end of the daemon's log when it is not ready in time.
  explicit MpsDaemon(Keeper& keeper, std::string device_uuid = "");
  ~MpsDaemon();

  // What makes a process a client of this daemon. Of one GPU it then sees that one alone, as cuda:0: an index in
  // CUDA_VISIBLE_DEVICES would count among what the daemon sees, and not be there.
  Environment environment() const;
  double ready_s() const { return ready_s_; }  // how long it took to be ready

  // The servers (one per user) and the processes that are connected to them.
  // None: it does not answer.
  std::optional<std::vector<pid_t>> servers() const;
  std::optional<std::vector<pid_t>> clients() const;

  // How the daemon has ended before its time; none while it runs.
  std::optional<std::string> death();

  // Ends it; returns how long that took, in s. All clients should have ended: whatever is left of it is killed.
  double stop();

 private:
  std::optional<std::vector<pid_t>> ask(const std::string& question) const;

  Keeper& keeper_;
  const std::string device_uuid_;
  TemporaryDirectory directory_;
  std::optional<Child> daemon_;
  double ready_s_ = 0;
};

// `cotenant mps-quit DIRECTORY`: what the keeper runs. Ends the daemon that lives in the directory, with its servers,
// and removes the directory. Returns the exit code.
int mps_quit_main(const std::filesystem::path& directory);

}  // namespace cotenant
