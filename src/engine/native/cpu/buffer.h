#pragma once

#include <cstddef>
#include <utility>

namespace cotenant {

// Zeroed memory at a fixed address, aligned to a cache line. Big buffers are mappings of their own that ask for huge
// pages; the system hands such pages out when they are first written, see touch().
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

  // Makes every page of a buffer still all zeros resident, on all threads, so that no pass pays for a page fault.
  void touch() const;

  // What a buffer of so many bytes takes.
  static constexpr size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;  // rounded
};

}  // namespace cotenant
