#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/nvml.h"

// The clocks of the device while something runs on it, by NVML. Without its library there are no figures and no
// failure.
namespace cotenant {

class GpuState {
 public:
  explicit GpuState(int device);  // as CUDA counts them

  void sample();                // some 100 us
  int sm_mhz() const;           // median of the samples; 0: none
  std::string held_by() const;  // of all samples, what held the clocks down: "power cap"; "none"
  std::string driver() const;   // "580.159.04"; empty: not known

 private:
  std::optional<NvmlDevice> device_;
  std::vector<double> mhz_;
  uint64_t reasons_ = 0;
};

}  // namespace cotenant
