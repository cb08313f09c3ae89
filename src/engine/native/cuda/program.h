#pragma once

#include <cuda_runtime.h>

#include <array>
#include <functional>
#include <string>

#include "engine/native/cuda/handles.h"
#include "engine/native/cuda/yield_gates.h"
#include "engine/native/ops.h"

namespace cotenant {

// Captures what `work` launches on `stream` as a graph, ready to launch. Errors name `operation`.
GraphExec capture(cudaStream_t stream, const char* operation, const std::function<void()>& work);

// A recorded pass: one graph launch between two events. Behind it the device writes the number of the replay into host
// memory, where a waiting thread sees it without a call: threads of one process that ask the driver again and again
// keep each other from launching.
class CudaProgram : public Program {
 public:
  // `name` is what profilers (as an NVTX range) and errors call it. `yield`: its tenant's place among others, with so
  // many gates in the graph; null: it does not yield.
  CudaProgram(cudaStream_t stream, GraphExec graph, std::string name, bool spin, YieldGates* yield = nullptr,
              int gates = 0);
  ~CudaProgram() override;

  void launch() override;
  void wait() override;
  float gpu_ms() override;

 private:
  bool is_done(uint64_t replay) const;
  cudaError_t spin(const Event& end);

  struct Flight {
    Event begin, end;
    uint64_t range = 0;  // NVTX
  };

  cudaStream_t stream_;
  GraphExec graph_;
  std::string name_;
  bool spin_;
  YieldGates* yield_;
  int gates_;
  PinnedMemory done_;     // uint32_t: the replays that are over
  bool tells_when_done_;  // the driver writes it
  std::array<Flight, 2> flights_;
  uint64_t launched_ = 0, waited_ = 0;
};

}  // namespace cotenant
