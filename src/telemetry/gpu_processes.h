#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "telemetry/gap.h"
#include "telemetry/nvml.h"

// Whether anybody else used the GPU.
namespace cotenant {

struct ForeignGpuUse {
  std::vector<pid_t> foreign;  // in order; empty unless `can_tell`
  bool can_tell = true;        // false: the pids listed are not of our namespace
};

// `listed`: what NVML saw. `ours`: workers, driver and helpers, as an MPS server. `we_use_it`: whether a worker has a
// context. Where none of ours is among those listed although it should be, or although others are, the driver numbers
// processes as another namespace does (a container), and no pid means anything.
ForeignGpuUse foreign_gpu_use(const std::set<pid_t>& listed, const std::set<pid_t>& ours, bool we_use_it);

// Who is listed on a device, over several looks. Foreign is who holds memory of it or uses its time; who does neither,
// as the control program of an MPS daemon that serves another GPU, stands by.
class GpuProcessWatch {
 public:
  explicit GpuProcessWatch(NvmlDevice device);

  void look();

  struct Finding {
    std::vector<std::string> foreign;     // "python, pid 4711"
    std::vector<std::string> bystanders;  // likewise
    Gap gap;                              // why it cannot be told
  };
  Finding find(const std::set<pid_t>& ours, bool we_use_it) const;

 private:
  struct Seen {
    std::string name;  // at that time; empty: it cannot be seen
    bool holds_memory = false, works = false;
  };

  NvmlDevice device_;
  uint64_t since_us_;  // when the watch began, since the epoch
  bool was_told_ = false;
  std::map<pid_t, Seen> seen_;
};

}  // namespace cotenant
