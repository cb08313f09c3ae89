#include "engine/native/cuda/program.h"

#include <fmt/format.h>
#include <nvtx3/nvToolsExt.h>

#include "base/error.h"
#include "engine/native/cuda/check.h"

namespace cotenant {
namespace {

// Ends the capture also when the work throws: a stream left capturing refuses everything after.
class CaptureGuard {
 public:
  explicit CaptureGuard(cudaStream_t stream) : stream_(stream) {}
  ~CaptureGuard() {
    cudaGraph_t graph = nullptr;
    if (stream_ && cudaStreamEndCapture(stream_, &graph) == cudaSuccess) cudaGraphDestroy(graph);
  }
  Graph end(const char* operation) {
    cudaGraph_t graph = nullptr;
    COTENANT_CUDA(operation, cudaStreamEndCapture(std::exchange(stream_, nullptr), &graph));
    return Graph(graph);
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

GraphExec capture(cudaStream_t stream, const char* operation, const std::function<void()>& work) {
  // Relaxed: loading a kernel's module on its first use is allowed.
  COTENANT_CUDA(operation, cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  CaptureGuard guard(stream);
  work();
  const Graph graph = guard.end(operation);
  cudaGraphExec_t exec = nullptr;
  COTENANT_CUDA(operation, cudaGraphInstantiate(&exec, graph.get(), 0));
  GraphExec owned(exec);
  COTENANT_CUDA(operation, cudaGraphUpload(exec, stream));
  return owned;
}

CudaProgram::CudaProgram(cudaStream_t stream, GraphExec graph, std::string name, bool spin)
    : stream_(stream), graph_(std::move(graph)), name_(std::move(name)), spin_(spin) {
  const unsigned flags = spin ? cudaEventDefault : cudaEventBlockingSync;
  for (Flight& flight : flights_) {
    flight.begin = make_event(flags);
    flight.end = make_event(flags);
  }
}

// A graph must outlive its replays.
CudaProgram::~CudaProgram() {
  if (launched_ != waited_) cudaStreamSynchronize(stream_);
}

void CudaProgram::launch() {
  if (launched_ - waited_ >= flights_.size()) throw internal_error(name_, "more than two replays in flight");
  Flight& flight = flights_[launched_ % flights_.size()];
  flight.range = nvtxRangeStartA(name_.c_str());
  COTENANT_CUDA(name_.c_str(), cudaEventRecord(flight.begin.get(), stream_));
  COTENANT_CUDA(name_.c_str(), cudaGraphLaunch(graph_.get(), stream_));
  COTENANT_CUDA(name_.c_str(), cudaEventRecord(flight.end.get(), stream_));
  ++launched_;
}

float CudaProgram::wait() {
  if (launched_ == waited_) throw internal_error(name_, "nothing to wait for");
  Flight& flight = flights_[waited_++ % flights_.size()];
  cudaError_t state = cudaErrorNotReady;
  while (spin_ && state == cudaErrorNotReady) state = cudaEventQuery(flight.end.get());
  if (!spin_) state = cudaEventSynchronize(flight.end.get());
  if (state != cudaSuccess) throw_cuda_error(state, name_.c_str(), "waiting for its kernels");
  nvtxRangeEnd(flight.range);
  float ms = -1;
  COTENANT_CUDA(name_.c_str(), cudaEventElapsedTime(&ms, flight.begin.get(), flight.end.get()));
  return ms;
}

}  // namespace cotenant
