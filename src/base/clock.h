#pragma once

#include <cstdint>

// The one clock of cotenant: CLOCK_MONOTONIC in nanoseconds, the same in all processes of a machine.
namespace cotenant {

int64_t now_ns();

// Sleeps until an absolute instant; wakes early for nothing. Returns at once when it has passed.
void sleep_until_ns(int64_t instant_ns);

// As sleep_until_ns, but spins for the last `spin_ns`, so that it returns within about a microsecond of the instant.
void wait_until_ns(int64_t instant_ns, int64_t spin_ns = 200'000);

// CPU time that the calling thread has used.
int64_t thread_cpu_ns();

// CLOCK_REALTIME in seconds since the epoch, for time stamps that people read.
double wall_clock_s();

constexpr double ns_to_ms(int64_t ns) {
  return static_cast<double>(ns) * 1e-6;
}
constexpr double ns_to_s(int64_t ns) {
  return static_cast<double>(ns) * 1e-9;
}
constexpr int64_t s_to_ns(double s) {
  return static_cast<int64_t>(s * 1e9);
}

}  // namespace cotenant
