#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/native/cuda/handles.h"
#include "engine/native/cuda/weight_kernels.h"
#include "model/model.h"

namespace cotenant {

// Brings weights to the device. One thread cannot read a file into pinned memory as fast as the link carries
// it away, so several do, each with two pinned buffers and a stream of its own: one buffer is filled while the other
// travels. Random weights are generated where they belong.
class WeightLoader {
 public:
  // Device memory that the loader uses until finish(), for values that need converting.
  static constexpr size_t device_staging_bytes = size_t{32} << 20;

  WeightLoader(cudaStream_t stream, int device, void* device_staging);
  ~WeightLoader();

  // Starts bringing all of `source` to `place`, whose rows and columns are those of the source. The source's file
  // must stay open until finish().
  void bring(const TensorSource& source, const WeightPlace& place);

  // Waits for everything; throws what went wrong on the way. Ends the threads and frees the pinned memory.
  void finish();

 private:
  struct Piece {  // whole rows of a source
    const InputFile* file;
    uint64_t offset;
    size_t bytes;
    Dtype dtype;
    WeightPlace place;
  };
  struct Lane {  // of one thread, which makes it: to pin memory takes as long as to fill it
    explicit Lane(std::byte* staging);
    Stream stream;
    PinnedMemory pinned[2];
    std::byte* device[2];
    Event sent[2];
  };

  void start_threads();
  void work(std::byte* staging);
  void send(Lane& lane, int buffer, const Piece& piece) const;
  bool take(Piece& piece);

  const cudaStream_t stream_;
  const int device_;
  std::byte* const device_staging_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;
  bool closed_ = false;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;
};

}  // namespace cotenant
