#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "telemetry/nvml.h"

namespace cotenant {

// Means over the time between two readings of NVML's performance counters (GPM; Hopper and later), of the whole device.
struct GpmCounters {
  std::optional<double> graphics_percent;   // of the time in which a compute or graphics program was active
  std::optional<double> sm_percent;         // of SMs that were busy
  std::optional<double> occupancy_percent;  // of the warps that could be active
  std::optional<double> tensor_percent;     // of the time in which tensor cores worked
  std::optional<double> dram_percent;       // of the bandwidth
  std::optional<double> pcie_tx_mib_per_s, pcie_rx_mib_per_s;  // from the device, to the device
};

class GpmReader {
 public:
  explicit GpmReader(const NvmlDevice& device);
  ~GpmReader();
  GpmReader(const GpmReader&) = delete;
  GpmReader& operator=(const GpmReader&) = delete;

  // Since the reading before; about 0.3 ms. None for the first one, and none, leaving the one before as it is, within
  // 100 ms of it: the driver would answer with zeros and call that a success.
  std::optional<GpmCounters> read();

  const Gap& gap() const { return gap_; }  // why there are no counters

 private:
  struct Samples;

  bool find_support();
  std::optional<GpmCounters> compare();

  NvmlDevice device_;
  Gap gap_;
  std::unique_ptr<Samples> samples_;  // null: there are no counters
  int64_t at_ns_ = 0;                 // of the reading before; 0: none
};

}  // namespace cotenant
