#include "engine/native/cuda/program.h"

#include <fmt/format.h>
#include <nvtx3/nvToolsExt.h>

#include <atomic>

#include "base/clock.h"
#include "base/error.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/driver_function.h"

namespace cotenant {
namespace {

constexpr int64_t kAskNs = 1'000'000;  // between two questions to the driver while waiting for what the device writes

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

CudaProgram::CudaProgram(cudaStream_t stream, GraphExec graph, std::string name, bool spin, YieldGates* yield,
                         int gates)
    : stream_(stream),
      graph_(std::move(graph)),
      name_(std::move(name)),
      spin_(spin),
      yield_(yield),
      gates_(gates),
      done_(allocate_pinned(sizeof(uint32_t))),
      tells_when_done_(spin && COTENANT_DRIVER_FUNCTION(cuStreamWriteValue32) != nullptr) {
  *static_cast<uint32_t*>(done_.get()) = 0;
  const unsigned flags = spin ? cudaEventDefault : cudaEventBlockingSync;
  for (Flight& flight : flights_) {
    flight.begin = make_event(flags);
    flight.end = make_event(flags);
  }
}

// A graph must outlive its replays.
CudaProgram::~CudaProgram() {
  if (launched_ != waited_ || (tells_when_done_ && !is_done(launched_))) cudaStreamSynchronize(stream_);
}

bool CudaProgram::is_done(uint64_t replay) const {
  const auto over = std::atomic_ref(*static_cast<uint32_t*>(done_.get())).load(std::memory_order_acquire);
  return static_cast<int32_t>(over - static_cast<uint32_t>(replay)) >= 0;
}

// Asks the driver only now and then: after a fault nothing is written any more.
cudaError_t CudaProgram::spin(const Event& end) {
  cudaError_t state = cudaErrorNotReady;
  for (int64_t ask_ns = now_ns() + kAskNs; state == cudaErrorNotReady;) {
    if (tells_when_done_) {
      while (now_ns() < ask_ns)
        if (is_done(waited_)) return cudaSuccess;
      ask_ns = now_ns() + kAskNs;
    }
    state = cudaEventQuery(end.get());
  }
  return state;
}

void CudaProgram::launch() {
  if (launched_ - waited_ >= flights_.size()) throw internal_error(name_, "more than two replays in flight");
  Flight& flight = flights_[launched_ % flights_.size()];
  if (yield_) yield_->launched(gates_);  // first: others give way while this is on its way to the device
  flight.range = nvtxRangeStartA(name_.c_str());
  COTENANT_CUDA(name_.c_str(), cudaEventRecord(flight.begin.get(), stream_));
  COTENANT_CUDA(name_.c_str(), cudaGraphLaunch(graph_.get(), stream_));
  COTENANT_CUDA(name_.c_str(), cudaEventRecord(flight.end.get(), stream_));
  ++launched_;
  if (!tells_when_done_) return;
  static const auto write_value = COTENANT_DRIVER_FUNCTION(cuStreamWriteValue32);
  const CUresult told = write_value(stream_, reinterpret_cast<CUdeviceptr>(done_.get()),
                                    static_cast<cuuint32_t>(launched_), CU_STREAM_WRITE_VALUE_DEFAULT);
  if (told == CUDA_ERROR_NOT_SUPPORTED) {
    tells_when_done_ = false;
  } else {
    COTENANT_DRIVER(name_.c_str(), told);
  }
}

void CudaProgram::wait() {
  if (launched_ == waited_) throw internal_error(name_, "nothing to wait for");
  const Flight& flight = flights_[waited_++ % flights_.size()];
  const cudaError_t state = spin_ ? spin(flight.end) : cudaEventSynchronize(flight.end.get());
  if (yield_) yield_->over();
  if (state != cudaSuccess) throw_cuda_error(state, name_.c_str(), "waiting for its kernels");
  nvtxRangeEnd(flight.range);
}

float CudaProgram::gpu_ms() {
  if (waited_ == 0) throw internal_error(name_, "nothing was waited for");
  const Flight& flight = flights_[(waited_ - 1) % flights_.size()];
  COTENANT_CUDA(name_.c_str(), cudaEventSynchronize(flight.end.get()));  // over, but the driver may not know yet
  float ms = -1;
  COTENANT_CUDA(name_.c_str(), cudaEventElapsedTime(&ms, flight.begin.get(), flight.end.get()));
  return ms;
}

}  // namespace cotenant
