#pragma once

#include <cstddef>
#include <string>

#include "base/fd.h"

namespace cotenant {

// Anonymous memory that processes share by its descriptor (memfd). Its size is sealed, so the other side cannot cut it
// off under a reader. It lives as long as any process maps it or holds the descriptor.
class SharedMemory {
 public:
  static SharedMemory create(const std::string& name, size_t bytes);  // zeros
  static SharedMemory attach(Fd fd);                                  // all pages present: no faults later
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  ~SharedMemory();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  int fd() const { return fd_.get(); }
  void close_fd() { fd_.reset(); }  // the memory stays mapped

 private:
  SharedMemory(Fd fd, size_t size, int map_flags);

  Fd fd_;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace cotenant
