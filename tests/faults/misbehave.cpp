#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <string_view>

// Preloaded into the program by faults.py and soak.py. The program knows nothing of it: what it meets here are things
// that happen to processes. On a signal a process does what no process of ours should; at a point that the environment
// names it stops itself (SIGSTOP), so that a fault meets an exact phase; and its wall clock is set back when a file
// says so.
namespace {

constexpr int kSocket = 3, kRing = 4;  // of a worker

bool is_worker = false;
bool stops = false;                // this process is the one that stops
const char* stop_at = nullptr;     // "recv go": where "go" is the type of the message; "rename .txt": part of a path
const char* clock_file = nullptr;  // while it exists, CLOCK_REALTIME is an hour behind

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

// The signals that are faults, blocked or not in this thread and those that it starts.
void set_faults_mask(int how) {
  sigset_t faults;
  ::sigemptyset(&faults);
  ::sigaddset(&faults, SIGSEGV);
  for (int i = 0; i < 7; ++i) ::sigaddset(&faults, SIGRTMIN + i);
  ::pthread_sigmask(how, &faults, nullptr);
}

void stop_once(std::string_view call, std::string_view text) {
  static std::atomic<bool> stopped{false};
  if (!stops) return;
  const std::string_view point(stop_at);
  if (!point.starts_with(call) || text.find(point.substr(call.size() + 1)) == text.npos || stopped.exchange(true))
    return;
  ::raise(SIGSTOP);
  // What was sent meanwhile comes to this thread, before it goes any further: another thread would race with it.
  set_faults_mask(SIG_UNBLOCK);
}

void stop_at_message(std::string_view call, std::string_view text) {
  for (size_t at = 0; is_worker && (at = text.find("\"type\":\"", at)) != text.npos;) {
    at += 8;
    stop_once(call, text.substr(at, text.find('"', at) - at));
  }
}

void say(std::string_view text) {
  [[maybe_unused]] const ssize_t sent = ::write(kSocket, text.data(), text.size());
}

void misbehave(int number) {
  static const std::string much(1 << 16, 'x');
  switch (number - SIGRTMIN) {
    case 0:
      ::_exit(1);
    case 1:  // garbage
      return say(std::string_view("\xff\0]{ no report\n", 15));
    case 2:  // a message that never ends
      while (::write(kSocket, much.data(), much.size()) > 0) continue;
      return;
    case 3:  // reports that nobody asked for
      for (int i = 0; i < 100'000; ++i) say("{\"type\":\"warm\",\"tenant\":\"b\"}\n");
      return;
    case 4:
      ::shutdown(kSocket, SHUT_RDWR);
      return;
    case 5: {  // writes over the memory of its samples
      struct stat status;
      if (::fstat(kRing, &status) != 0) ::abort();
      const auto size = static_cast<size_t>(status.st_size);
      ::memset(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, kRing, 0), 0x5a, size);
      return;
    }
    case 6:  // prints 16 MiB, without a line's end at first
      for (int i = 0; i < 256; ++i) {
        const std::string text = i < 128 ? much : std::string(1 << 14, '\n');
        [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
      }
      return;
  }
}

[[gnu::constructor]] void begin(int argc, char** argv, char**) {
  is_worker = argc > 1 && std::string_view(argv[1]) == "worker";
  stop_at = ::getenv("FAULTS_STOP_AT");
  clock_file = ::getenv("FAULTS_CLOCK_BACK");
  for (int i = 0; i < 7; ++i) ::signal(SIGRTMIN + i, misbehave);
  const bool is_driver = argc > 1 && std::string_view(argv[1]) == "run";
  const std::string_view point(stop_at == nullptr ? "" : stop_at);
  stops = !point.empty() && (point.starts_with("rename") ? is_driver : is_worker);
  set_faults_mask(stops ? SIG_BLOCK : SIG_UNBLOCK);
}

}  // namespace

extern "C" {

ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  static auto* const real = next<ssize_t(int, void*, size_t, int)>("recv");
  const ssize_t got = real(fd, bytes, size, flags);
  if (got > 0) stop_at_message("recv", {static_cast<const char*>(bytes), static_cast<size_t>(got)});
  return got;
}

ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  static auto* const real = next<ssize_t(int, const void*, size_t, int)>("send");
  stop_at_message("send", {static_cast<const char*>(bytes), size});
  return real(fd, bytes, size, flags);
}

int renameat(int from_directory, const char* from, int to_directory, const char* to) {
  static auto* const real = next<int(int, const char*, int, const char*)>("renameat");
  stop_once("rename", to);
  return real(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  static auto* const real = next<int(int, const char*, int, const char*, unsigned)>("renameat2");
  stop_once("rename", to);
  return real(from_directory, from, to_directory, to, flags);
}

int clock_gettime(clockid_t clock, timespec* time) {
  static auto* const real = next<int(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, time);
  if (clock == CLOCK_REALTIME && clock_file != nullptr && ::access(clock_file, F_OK) == 0) time->tv_sec -= 3600;
  return result;
}

time_t time(time_t* out) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
}
