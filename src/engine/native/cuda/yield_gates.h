#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "engine/native/cuda/handles.h"
#include "engine/native/cuda/yield_gate.h"
#include "engine/yield.h"

namespace cotenant {

using RegisteredMemory =
    Owned<void*, cudaHostUnregister>;  // of the host, that the device reads at an address of its own

// The gates of one tenant: places them in what is recorded, and tells the others, from the host, when it has work.
class YieldGates {
 public:
  // Throws usage_error for a device that cannot read the host's memory.
  YieldGates(const YieldPlace& place, const std::string& device);
  ~YieldGates();  // it has no work any more
  YieldGates(const YieldGates&) = delete;

  // ---- while a pass is recorded ----
  void begin_pass();
  void before(cudaStream_t stream, double us);  // a kernel of so many us follows
  int parts(double us) const;                   // into which a kernel of so many us is to be divided
  int end_pass(cudaStream_t stream);            // its gates

  // ---- the host: a replay with so many gates is launched; the oldest is over ----
  void launched(int gates);
  void over();

 private:
  bool may_wait() const;
  void place_gate(cudaStream_t stream, bool last);
  YieldSeat& own() const { return place_.page->seat[place_.seat]; }

  YieldPlace place_;
  RegisteredMemory registered_;
  DeviceMemory memory_;
  YieldGate gate_;
  GatePlacer placer_;
  bool first_ = true;  // the next gate is a pass's first
};

}  // namespace cotenant
