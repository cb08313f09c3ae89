#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

// Preloaded into the program by failing_disk_test.cpp: a disk or a network file system that fails. The call that
// DISK_CALL names fails with the number DISK_ERROR when it meets a file whose path holds DISK_PATH, for the
// DISK_NTHth time (1 by default) and from then on.
namespace {

std::string_view setting(const char* name) {
  const char* text = ::getenv(name);
  return text == nullptr ? "" : text;
}

bool fails(std::string_view call, std::string_view path) {
  static std::atomic<int> met{0};
  if (setting("DISK_CALL") != call || path.find(setting("DISK_PATH")) == path.npos) return false;
  const std::string nth(setting("DISK_NTH"));
  if (++met < std::atoi(nth.empty() ? "1" : nth.c_str())) return false;
  errno = std::atoi(std::string(setting("DISK_ERROR")).c_str());
  return true;
}

bool fails(std::string_view call, int fd) {
  if (setting("DISK_CALL") != call) return false;
  std::array<char, 4096> path;
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
  return length > 0 && fails(call, {path.data(), static_cast<size_t>(length)});
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  return fails("write", fd) ? -1 : real(fd, bytes, size);
}

ssize_t read(int fd, void* bytes, size_t size) {
  static auto* const real = next<ssize_t(int, void*, size_t)>("read");
  return fails("read", fd) ? -1 : real(fd, bytes, size);
}

// As the kernel does: the descriptor is closed all the same.
int close(int fd) {
  static auto* const real = next<int(int)>("close");
  const bool failed = fails("close", fd);
  const int number = errno;
  const int result = real(fd);
  if (failed) errno = number;
  return failed ? -1 : result;
}

int openat(int directory, const char* path, int flags, ...) {
  static auto* const real = next<int(int, const char*, int, ...)>("openat");
  __builtin_va_list rest;
  __builtin_va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? __builtin_va_arg(rest, mode_t) : 0;
  __builtin_va_end(rest);
  return fails("open", path) ? -1 : real(directory, path, flags, mode);
}

int open(const char* path, int flags, ...) {
  __builtin_va_list rest;
  __builtin_va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? __builtin_va_arg(rest, mode_t) : 0;
  __builtin_va_end(rest);
  return openat(AT_FDCWD, path, flags, mode);
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  static auto* const real = next<int(int, const char*, int, const char*)>("renameat");
  return fails("rename", to) ? -1 : real(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  return fails("rename", to) ? -1 : real(from_directory, from, to_directory, to, flags);
}
}
