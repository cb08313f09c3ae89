#include "process/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace cotenant {

SharedMemory SharedMemory::create(const std::string& name, size_t bytes) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) throw system_error(name, "memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
    if (errno != EFBIG) throw system_error(name, "ftruncate");
    throw usage_error(name, "shared memory of this size is beyond the limit of a file's size: File too large",
                      "Raise the limit (ulimit -f).");
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) throw system_error(name, "fcntl(F_ADD_SEALS)");
  return SharedMemory(std::move(fd), bytes, 0);
}

SharedMemory SharedMemory::attach(Fd fd) {
  struct stat status;
  if (::fstat(fd.get(), &status) != 0) throw system_error("shared memory", "fstat");
  return SharedMemory(std::move(fd), static_cast<size_t>(status.st_size), MAP_POPULATE);
}

SharedMemory::SharedMemory(Fd fd, size_t size, int map_flags) : fd_(std::move(fd)), size_(size) {
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | map_flags, fd_.get(), 0);
  if (data == MAP_FAILED) throw system_error("shared memory", "mmap");
  data_ = static_cast<std::byte*>(data);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : fd_(std::move(other.fd_)), data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

SharedMemory::~SharedMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace cotenant
