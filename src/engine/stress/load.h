#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/native/device_share.h"

// A load on one resource of a device, in rounds of equal work. The work is fixed, not the time, so that it slows down
// when others want the same resource.
namespace cotenant {

class StressLoad {
 public:
  enum class Kind : uint8_t {
    compute,  // products on the tensor cores (mma.sync, fp16 in, fp32 out), operands and sums in registers
    dram,  // a walk through 8 x L2 bytes or more: 3/4 of the traffic is read, 1/4 written, nothing is met in the cache
    l2,    // reads of 2/5 of L2 again and again, past L1
    pcie,  // copies of 1 MiB from pinned host memory to the device and, at the same time, back
    launch,  // kernels of one warp that do nothing, launched one after another by graphs of 16
  };

  virtual ~StressLoad() = default;

  virtual MemoryNeed memory_needed() const = 0;
  virtual void allocate() = 0;

  // Does so many rounds and waits until they are done. Returns the time between events on the device around them, in
  // ms; negative where there is no such clock.
  virtual float run(int64_t rounds) = 0;

  virtual double work_per_round() const = 0;  // GFLOP, GB, launches
  virtual std::string unit() const = 0;       // "GFLOP/s", "GB/s", "launches/s"
  virtual int footprint_sms() const = 0;      // multiprocessors that it occupies
};

struct StressLoadOptions {
  StressLoad::Kind kind = StressLoad::Kind::compute;
  std::string device = "cuda:0";
  int sms = 0;                                    // of compute, dram and l2; 0: all that this process sees
  bool spin = true;                               // how the host waits
  std::shared_ptr<const DeviceShare> share = {};  // to which its kernels are confined; null: the whole device
  int priority = 0;                               // of its stream: higher is more urgent
  size_t memory_limit_bytes = 0;                  // 0: what the device has
};

}  // namespace cotenant
