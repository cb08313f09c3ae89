#pragma once

#include <cstdint>
#include <string>
#include <vector>

// What NVML says of the device while something runs on it. Its library is loaded at run time; without it there are no
// figures and no failure.
namespace cotenant {

class GpuState {
 public:
  explicit GpuState(int device);  // as CUDA counts them
  ~GpuState();
  GpuState(const GpuState&) = delete;

  void sample();                                       // some 100 us
  int sm_mhz() const;                                  // median of the samples; 0: none
  uint64_t event_reasons() const { return reasons_; }  // of all samples: what held the clocks down
  std::string driver() const;                          // "580.159.04"; empty: not known

 private:
  void* library_ = nullptr;
  void* device_ = nullptr;  // nvmlDevice_t
  int (*clock_)(void*, int, unsigned*) = nullptr;
  int (*reasons_of_)(void*, unsigned long long*) = nullptr;
  std::vector<int> mhz_;
  uint64_t reasons_ = 0;
};

// "power cap, idle"; "none".
std::string describe_event_reasons(uint64_t reasons);

}  // namespace cotenant
