#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/clock.h"
#include "engine/options.h"
#include "spin_engine.h"
#include "worker/timed_loop.h"

namespace cotenant {
namespace {

TEST(TimedLoop, PacesItsRequestsAndCountsFromTheSend) {
  EventRing ring = EventRing::create(1 << 10);
  const auto engine = spin(0.1);
  constexpr int64_t period_ns = 2'000'000;
  const int64_t before_ns = now_ns();
  EXPECT_EQ(run_workload(*engine, {.period_ms = ns_to_ms(period_ns), .exactly = 10}, ring).requests, 10);
  EXPECT_GE(now_ns() - before_ns, 9 * period_ns);
  EventSlot event;
  std::vector<int64_t> tokens;
  while (ring.take(event, tokens)) {
    EXPECT_EQ(event.scheduled_ns, event.start_ns);
    EXPECT_GE(event.start_ns, before_ns + event.iter * period_ns);
  }
}

TEST(TimedLoop, HearsTheStopWhileItWaitsForTheNextRequest) {
  EventRing ring = EventRing::create(1 << 10);
  EventRing worker_side = EventRing::attach(Fd(::dup(ring.fd())));
  const auto engine = spin(0.1);
  int64_t requests = 0;
  constexpr int64_t hour_ns = 3'600'000'000'000;
  std::thread thread([&] { requests = run_workload(*engine, {.period_ms = ns_to_ms(hour_ns)}, worker_side).requests; });
  sleep_until_ns(now_ns() + 30'000'000);
  ring.request_stop();
  thread.join();
  EXPECT_LE(requests, 1);
}

}  // namespace
}  // namespace cotenant
