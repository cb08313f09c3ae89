#include "engine/stress/cuda/loads.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/handles.h"
#include "engine/native/cuda/program.h"
#include "engine/native/cuda/stream.h"
#include "engine/stress/cuda/kernels.h"

namespace cotenant {
namespace {

constexpr double giga = 1e-9;

// The stream, the two events around a request, and the waiting, which all loads have in common.
class CudaLoad : public StressLoad {
 public:
  explicit CudaLoad(const StressLoadOptions& options)
      : options_(options),
        device_(examine_device(options.device, options.share.get())),
        sms_(sms_of(options, device_)) {}

  MemoryNeed memory_needed() const override { return {.activation_bytes = bytes()}; }
  int footprint_sms() const override { return sms_; }

  void allocate() override {
    open_device(options_.device, options_.share.get());
    stream_ = make_stream_on(options_.share.get(), options_.priority);
    const unsigned flags = options_.spin ? cudaEventDefault : cudaEventBlockingSync;
    begin_ = make_event(flags);
    end_ = make_event(flags);
    buffer_ = take_memory(options_.device, bytes(), options_.memory_limit_bytes);
    COTENANT_CUDA("stress", cudaMemsetAsync(buffer_.get(), 0x5a, bytes(), stream_.get()));
    COTENANT_CUDA("stress", cudaStreamSynchronize(stream_.get()));
    make_ready();
  }

  float run(int64_t rounds) override {
    COTENANT_CUDA("stress", cudaEventRecord(begin_.get(), stream_.get()));
    enqueue(rounds);
    COTENANT_CUDA("stress", cudaEventRecord(end_.get(), stream_.get()));
    cudaError_t state = cudaErrorNotReady;
    while (options_.spin && state == cudaErrorNotReady) state = cudaEventQuery(end_.get());
    if (!options_.spin) state = cudaEventSynchronize(end_.get());
    if (state != cudaSuccess) throw_cuda_error(state, "stress", "waiting for its work");
    float ms = -1;
    COTENANT_CUDA("stress", cudaEventElapsedTime(&ms, begin_.get(), end_.get()));
    return ms;
  }

 protected:
  virtual size_t bytes() const = 0;  // of the buffer
  virtual void make_ready() {}       // after the buffer is there
  virtual void enqueue(int64_t rounds) = 0;

  cudaStream_t stream() const { return stream_.get(); }
  void* buffer() const { return buffer_.get(); }
  const DeviceFacts& device() const { return device_; }
  int blocks() const { return sms_; }

 private:
  static int sms_of(const StressLoadOptions& options, const DeviceFacts& device) {
    if (options.sms > device.sms)
      throw usage_error("stress.sms", fmt::format("expected at most {}, which {} shows this tenant, found {}",
                                                  device.sms, device.name, options.sms));
    return options.sms > 0 ? options.sms : device.sms;
  }

  const StressLoadOptions options_;
  const DeviceFacts device_;
  const int sms_;
  Stream stream_;
  Event begin_, end_;
  DeviceMemory buffer_;
};

// A block takes more than half of a multiprocessor's shared memory, so that no second one of its kind fits beside it.
class BlocksLoad : public CudaLoad {
 public:
  using CudaLoad::CudaLoad;

 protected:
  void make_ready() override {
    int per_sm = 0;
    COTENANT_CUDA("stress",
                  cudaDeviceGetAttribute(&per_sm, cudaDevAttrMaxSharedMemoryPerMultiprocessor, device().ordinal));
    const size_t more_than_half = static_cast<size_t>(per_sm) / 2 + 1024;
    shared_bytes_ = std::min(more_than_half, device().shared_bytes_per_block);
    allow_shared_memory(shared_bytes_);
  }
  size_t shared_bytes() const { return shared_bytes_; }

 private:
  size_t shared_bytes_ = 0;
};

class ComputeLoad : public BlocksLoad {
 public:
  using BlocksLoad::BlocksLoad;
  double work_per_round() const override { return compute_flops_per_round * blocks() * giga; }
  std::string unit() const override { return "GFLOP/s"; }

 protected:
  size_t bytes() const override { return 256; }
  void enqueue(int64_t rounds) override {
    launch_compute(stream(), blocks(), shared_bytes(), rounds, static_cast<float*>(buffer()));
  }
};

class StreamLoad : public BlocksLoad {
 public:
  using BlocksLoad::BlocksLoad;
  double work_per_round() const override { return static_cast<double>(stream_chunk_bytes) * blocks() * giga; }
  std::string unit() const override { return "GB/s"; }

 protected:
  // The sink stands behind the chunks.
  size_t bytes() const override { return static_cast<size_t>(chunks()) * stream_chunk_bytes + 256; }
  virtual int64_t chunks() const = 0;
  uint32_t* sink() const { return reinterpret_cast<uint32_t*>(static_cast<char*>(buffer()) + bytes() - 256); }
};

class DramLoad : public StreamLoad {
 public:
  using StreamLoad::StreamLoad;

 protected:
  int64_t chunks() const override {
    const size_t wanted = std::max(8 * device().l2_bytes, size_t{256} << 20);
    return static_cast<int64_t>((wanted + stream_chunk_bytes - 1) / stream_chunk_bytes);
  }
  // Each request goes on where the last one ended: a short one would else find its bytes in the cache.
  void enqueue(int64_t rounds) override {
    launch_dram(stream(), blocks(), shared_bytes(), rounds, buffer(), chunks(), first_, sink());
    first_ = (first_ + rounds * blocks()) % chunks();
  }

 private:
  int64_t first_ = 0;
};

class L2Load : public StreamLoad {
 public:
  using StreamLoad::StreamLoad;

 protected:
  // Somewhat less than half: halves of the cache of a large device keep copies of each other's lines.
  int64_t chunks() const override {
    return std::max<int64_t>(1, static_cast<int64_t>(device().l2_bytes * 2 / 5 / stream_chunk_bytes));
  }
  void enqueue(int64_t rounds) override {
    launch_l2(stream(), blocks(), shared_bytes(), rounds, buffer(), chunks(), sink());
  }
};

// Both directions at once, on two streams; the request's events are on the first one, which waits for the second.
class PcieLoad : public CudaLoad {
 public:
  using CudaLoad::CudaLoad;
  double work_per_round() const override { return 2.0 * copy_bytes * giga; }
  std::string unit() const override { return "GB/s"; }
  int footprint_sms() const override { return 0; }  // copy engines, no multiprocessor

 protected:
  static constexpr size_t copy_bytes = size_t{1} << 20;

  size_t bytes() const override { return 2 * copy_bytes; }
  void make_ready() override {
    host_ = allocate_pinned(2 * copy_bytes);
    back_ = make_stream();
    fork_ = make_event(cudaEventDisableTiming);
    join_ = make_event(cudaEventDisableTiming);
  }
  void enqueue(int64_t rounds) override {
    char *host = static_cast<char*>(host_.get()), *on_device = static_cast<char*>(buffer());
    COTENANT_CUDA("stress pcie", cudaEventRecord(fork_.get(), stream()));
    COTENANT_CUDA("stress pcie", cudaStreamWaitEvent(back_.get(), fork_.get(), 0));
    for (int64_t round = 0; round < rounds; ++round) {
      COTENANT_CUDA("stress pcie", cudaMemcpyAsync(on_device, host, copy_bytes, cudaMemcpyHostToDevice, stream()));
      COTENANT_CUDA("stress pcie", cudaMemcpyAsync(host + copy_bytes, on_device + copy_bytes, copy_bytes,
                                                   cudaMemcpyDeviceToHost, back_.get()));
    }
    COTENANT_CUDA("stress pcie", cudaEventRecord(join_.get(), back_.get()));
    COTENANT_CUDA("stress pcie", cudaStreamWaitEvent(stream(), join_.get(), 0));
  }

 private:
  PinnedMemory host_;
  Stream back_;
  Event fork_, join_;
};

class LaunchLoad : public CudaLoad {
 public:
  using CudaLoad::CudaLoad;
  double work_per_round() const override { return launches_per_round; }
  std::string unit() const override { return "launches/s"; }
  int footprint_sms() const override { return 1; }

 protected:
  size_t bytes() const override { return 256; }
  // In one graph, so that the device's part of a launch is what takes the time, and not the host, whose part varies.
  void make_ready() override {
    graph_ = capture(stream(), "stress launch", [this] {
      for (int i = 0; i < launches_per_round; ++i) launch_nothing(stream());
    });
  }
  void enqueue(int64_t rounds) override {
    for (int64_t round = 0; round < rounds; ++round)
      COTENANT_CUDA("stress launch", cudaGraphLaunch(graph_.get(), stream()));
  }

 private:
  static constexpr int launches_per_round = 16;
  GraphExec graph_;
};

}  // namespace

std::unique_ptr<StressLoad> make_cuda_load(const StressLoadOptions& options) {
  switch (options.kind) {
    case StressLoad::Kind::compute:
      return std::make_unique<ComputeLoad>(options);
    case StressLoad::Kind::dram:
      return std::make_unique<DramLoad>(options);
    case StressLoad::Kind::l2:
      return std::make_unique<L2Load>(options);
    case StressLoad::Kind::pcie:
      return std::make_unique<PcieLoad>(options);
    case StressLoad::Kind::launch:
      return std::make_unique<LaunchLoad>(options);
  }
  throw internal_error("make_cuda_load", "unknown kind of stress");
}

}  // namespace cotenant
