#pragma once

#include <cstddef>
#include <utility>

namespace cotenant {

// Zeroed memory at a fixed address, aligned to a cache line; all of its pages are resident from the start, so that no
// pass pays for a page fault. Big ones ask for huge pages.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t bytes);  // throws Error when there is not so much memory
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Buffer();

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

  // What a buffer of so many bytes takes.
  static constexpr size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;  // rounded
};

}  // namespace cotenant
