#include "engine/native/cuda/arena.h"

#include <algorithm>
#include <utility>

namespace cotenant {

void Arena::reserve(size_t bytes) {
  if (dry_run_ || bytes == 0) return;
  add(allocate_device(bytes), bytes);
}

void Arena::add(DeviceMemory memory, size_t bytes) {
  blocks_.push_back({.memory = std::move(memory), .bytes = bytes, .used = 0});
}

void* Arena::take(size_t bytes) {
  bytes = (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
  taken_bytes_ += bytes;
  if (dry_run_) return nullptr;
  constexpr size_t least_block_bytes = size_t{32} << 20;
  if (blocks_.empty() || blocks_.back().bytes - blocks_.back().used < bytes)
    reserve(std::max(bytes, least_block_bytes));
  Block& block = blocks_.back();
  void* piece = static_cast<std::byte*>(block.memory.get()) + block.used;
  block.used += bytes;
  return piece;
}

Arena::Region Arena::largest_block() const {
  const auto largest =
      std::max_element(blocks_.begin(), blocks_.end(), [](const Block& a, const Block& b) { return a.used < b.used; });
  if (largest == blocks_.end()) return {};
  return {.begin = static_cast<std::byte*>(largest->memory.get()), .bytes = largest->used};
}

}  // namespace cotenant
