#pragma once

#include <cstddef>
#include <vector>

#include "engine/native/cuda/handles.h"

namespace cotenant {

// Device memory of one tenant, handed out in pieces that live as long as the arena. One block when it was reserved by
// what a dry run counted, more when something asks for more.
class Arena {
 public:
  static constexpr size_t alignment_bytes = 256;

  explicit Arena(bool dry_run) : dry_run_(dry_run) {}

  // Throws what cudaMalloc says.
  void reserve(size_t bytes);
  void add(DeviceMemory memory, size_t bytes);  // to hand out before anything else is asked for
  // nullptr in a dry run.
  void* take(size_t bytes);
  size_t taken_bytes() const { return taken_bytes_; }

  // The largest block: real weights for the tuner to stream.
  struct Region {
    std::byte* begin = nullptr;
    size_t bytes = 0;
  };
  Region largest_block() const;

 private:
  struct Block {
    DeviceMemory memory;
    size_t bytes = 0, used = 0;
  };
  const bool dry_run_;
  size_t taken_bytes_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace cotenant
