#include "base/clock.h"

#include <cerrno>
#include <ctime>

namespace cotenant {

int64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void sleep_until_ns(int64_t instant_ns) {
  const timespec t{static_cast<time_t>(instant_ns / 1'000'000'000), static_cast<long>(instant_ns % 1'000'000'000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
  }
}

void wait_until_ns(int64_t instant_ns, int64_t spin_ns) {
  if (instant_ns - now_ns() > spin_ns) sleep_until_ns(instant_ns - spin_ns);
  while (now_ns() < instant_ns) {
  }
}

int64_t thread_cpu_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

double wall_clock_s() {
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

}  // namespace cotenant
