#pragma once

#include <cuda_runtime.h>

#include <array>
#include <functional>
#include <string>

#include "engine/native/cuda/handles.h"
#include "engine/native/ops.h"

namespace cotenant {

// Captures what `work` launches on `stream` as a graph, ready to launch. Errors name `operation`.
GraphExec capture(cudaStream_t stream, const char* operation, const std::function<void()>& work);

// A recorded pass: one graph launch between two events. Behind it the device writes the number of the replay into host
// memory, where a waiting thread sees it without a call: threads of one process that ask the driver again and again
// keep each other from launching.
class CudaProgram : public Program {
 public:
  // `name` is what profilers (as an NVTX range) and errors call it.
  CudaProgram(cudaStream_t stream, GraphExec graph, std::string name, bool spin);
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
  PinnedMemory done_;     // uint32_t: the replays that are over
  bool tells_when_done_;  // the driver writes it
  std::array<Flight, 2> flights_;
  uint64_t launched_ = 0, waited_ = 0;
};

}  // namespace cotenant
