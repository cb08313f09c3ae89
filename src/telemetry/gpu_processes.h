#pragma once

#include <sys/types.h>

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

// Who has had a context on a device, over several looks.
class GpuProcessWatch {
 public:
  explicit GpuProcessWatch(NvmlDevice device) : device_(std::move(device)) {}

  void look();

  struct Finding {
    std::vector<std::string> foreign;  // "python, pid 4711"
    Gap gap;                           // why it cannot be told
  };
  Finding find(const std::set<pid_t>& ours, bool we_use_it) const;

 private:
  NvmlDevice device_;
  bool was_told_ = false;
  std::map<pid_t, std::string> seen_;  // with the name at that time; empty: it cannot be seen
};

}  // namespace cotenant
