#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "worker/messages.h"

namespace cotenant {

struct CuptiModule;

// Records what this worker's tenants do on the device, and writes each one's part at the end. Does nothing where no
// order has a profile_dir.
class KernelProfile {
 public:
  // Before the first CUDA call of the process. Throws usage_error where kernels cannot be recorded.
  explicit KernelProfile(const std::vector<TenantOrder>& tenants);

  void begin(int64_t t0_ns);  // keeps what ends after T0

  // When all tenants have ended; `threads[i]` launched the work of tenant i. Throws as write_kernels does.
  void end(std::span<const uint32_t> threads);

 private:
  std::vector<TenantOrder> tenants_;
  const CuptiModule* module_ = nullptr;  // null: nothing is recorded
  int64_t t0_ns_ = 0;                    // 0: not reached
};

}  // namespace cotenant
