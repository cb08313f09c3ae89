#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "spin_engine.h"
#include "worker/lag.h"
#include "worker/punctual_wait.h"
#include "worker/timed_loop.h"

namespace cotenant {
namespace {

std::vector<EventSlot> events_of(EventRing& ring) {
  std::vector<EventSlot> events;
  EventSlot event;
  std::vector<int64_t> tokens;
  while (ring.take(event, tokens)) events.push_back(event);
  std::ranges::sort(events, {}, &EventSlot::iter);
  return events;
}

// Twice as many requests as the engine can serve.
TEST(OpenLoop, CountsFromTheScheduleAndLosesNothingOfTheWait) {
  EventRing ring = EventRing::create(1 << 10);
  const auto engine = spin(2);
  const int64_t before_ns = now_ns();
  const LoopResult result = run_workload(*engine, {.arrivals = constant_arrivals(1000), .exactly = 30}, ring);
  EXPECT_EQ(result.requests, 30);
  EXPECT_EQ(result.rejected, 0);
  EXPECT_EQ(result.waiting, 0);
  EXPECT_EQ(result.lag.count(), 30);
  const auto events = events_of(ring);
  ASSERT_EQ(events.size(), 30u);
  EXPECT_GE(events[0].scheduled_ns, before_ns);
  for (size_t i = 0; i < events.size(); ++i) {
    const auto iter = static_cast<int64_t>(i);
    EXPECT_EQ(events[i].iter, iter);
    EXPECT_EQ(events[i].scheduled_ns, events[0].scheduled_ns + iter * 1'000'000);
    EXPECT_GE(events[i].start_ns, events[i].scheduled_ns);
    EXPECT_GE(events[i].end_ns, events[0].scheduled_ns + (iter + 1) * 2'000'000);  // 2 ms each, one after another
    EXPECT_GE(events[i].start_ns, i == 0 ? 0 : events[i - 1].end_ns);
  }
}

TEST(OpenLoop, RejectsWhatFindsTheQueueFullAndCountsIt) {
  EventRing ring = EventRing::create(1 << 12);
  const auto engine = spin(3);
  constexpr int most_waiting = 2;
  const LoopResult result =
      run_workload(*engine, {.arrivals = poisson_arrivals(1000), .max_queue = most_waiting, .exactly = 120}, ring);
  const auto events = events_of(ring);
  ASSERT_EQ(events.size(), 120u);       // each once
  std::vector<int64_t> waits_until_ns;  // when the engine had room for each that was sent: the end of the one before
  int64_t last_end_ns = 0;
  for (const EventSlot& event : events) {
    if (event.status != EventSlot::ok) continue;
    EXPECT_GE(event.start_ns, last_end_ns);  // first come, first served
    waits_until_ns.push_back(std::exchange(last_end_ns, event.end_ns));
  }
  int64_t rejected = 0;
  size_t sent_before = 0;
  for (const EventSlot& event : events) {
    if (event.status == EventSlot::ok) {
      ++sent_before;
      continue;
    }
    ++rejected;
    EXPECT_EQ(event.status, EventSlot::rejected);
    EXPECT_EQ(event.scheduled_ns, event.end_ns);
    const auto waiting = std::ranges::count_if(std::span(waits_until_ns).first(sent_before),
                                               [&](int64_t until_ns) { return until_ns >= event.scheduled_ns; });
    EXPECT_EQ(waiting, most_waiting);  // when it came
  }
  EXPECT_GT(rejected, 0);
  EXPECT_EQ(result.rejected, rejected);
  EXPECT_EQ(result.requests, 120);
  EXPECT_EQ(result.lag.count(), 120 - rejected);
}

TEST(OpenLoop, SaysWhatStillWaitedWhenItWasStopped) {
  EventRing ring = EventRing::create(1 << 12);
  EventRing worker_side = EventRing::attach(Fd(::dup(ring.fd())));
  const auto engine = spin(5);
  LoopResult result;
  const int64_t before_ns = now_ns();
  std::thread thread([&] { result = run_workload(*engine, {.arrivals = constant_arrivals(1000)}, worker_side); });
  sleep_until_ns(now_ns() + 50'000'000);
  ring.request_stop();
  thread.join();
  const int64_t came = (now_ns() - before_ns) / 1'000'000 + 1;  // at most
  const auto events = events_of(ring);
  EXPECT_EQ(static_cast<int64_t>(events.size()), result.requests);
  EXPECT_GT(result.waiting, 0);
  EXPECT_LE(result.requests + result.waiting, came);
}

TEST(OpenLoop, HearsTheStopWhileNothingIsDue) {
  EventRing ring = EventRing::create(1 << 10);
  EventRing worker_side = EventRing::attach(Fd(::dup(ring.fd())));
  const auto engine = spin(0.1);
  LoopResult result;
  std::thread thread([&] { result = run_workload(*engine, {.arrivals = constant_arrivals(1e-3)}, worker_side); });
  sleep_until_ns(now_ns() + 30'000'000);
  ring.request_stop();
  thread.join();
  EXPECT_LE(result.requests, 1);
  EXPECT_EQ(result.waiting, 0);
}

// Holds several at once; each step ends the youngest, so that they end out of order.
class LastInFirstOut : public Engine {
 public:
  void load() override {}
  void warm() override {}
  int capacity() const override { return 3; }
  bool submit(const Request& request) override {
    if (held_.size() == 3) return false;
    most_held = std::max(most_held, held_.size() + 1);
    lengths.push_back(request.max_new_tokens);
    held_.push_back(request.id);
    return true;
  }
  std::span<const Progress> step(int64_t) override {
    sleep_until_ns(now_ns() + 200'000);
    progress_[0] = {.id = held_.back(), .status = Status::done, .at_ns = now_ns()};
    held_.pop_back();
    return progress_;
  }
  size_t most_held = 0;
  std::vector<int> lengths;

 private:
  std::deque<uint64_t> held_;
  std::array<Progress, 1> progress_;
};

TEST(OpenLoop, FillsAnEngineThatHoldsSeveral) {
  EventRing ring = EventRing::create(1 << 14);
  LastInFirstOut engine;
  const LoopResult result = run_workload(
      engine,
      {.max_new_tokens = UniformLength{.least = 1, .most = 9}, .arrivals = poisson_arrivals(20'000), .exactly = 300},
      ring);
  EXPECT_EQ(result.requests, 300);
  EXPECT_EQ(engine.most_held, 3u);
  EXPECT_EQ(*std::ranges::min_element(engine.lengths), 1);
  EXPECT_EQ(*std::ranges::max_element(engine.lengths), 9);
  const auto events = events_of(ring);
  ASSERT_EQ(events.size(), 300u);
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].iter, static_cast<int64_t>(i));
}

TEST(ClosedLoop, AClientsWaitForTheEngineCounts) {
  EventRing ring = EventRing::create(1 << 10);
  const auto engine = spin(1);
  run_workload(*engine, {.arrivals = ClosedLoop{.concurrency = 3}, .exactly = 12}, ring);
  const auto events = events_of(ring);
  ASSERT_EQ(events.size(), 12u);
  for (size_t i = 0; i < events.size(); ++i) {
    EXPECT_GE(events[i].end_ns - events[i].scheduled_ns, static_cast<int64_t>(std::min<size_t>(i + 1, 3)) * 1'000'000);
    if (i < 3) continue;
    EXPECT_GE(events[i].scheduled_ns, events[i - 3].end_ns);  // its client had its answer
    EXPECT_LE(events[i].scheduled_ns, events[i - 2].start_ns);
  }
}

TEST(OpenLoop, ASeedGivesTheSameScheduleHoweverFastTheEngineIs) {
  std::vector<std::vector<int64_t>> schedules;
  for (const double service_ms : {0.01, 1.0}) {
    EventRing ring = EventRing::create(1 << 12);
    run_workload(*spin(service_ms), {.arrivals = gamma_arrivals(2000, 2), .seed = 5, .exactly = 60}, ring);
    auto& schedule = schedules.emplace_back();
    const auto events = events_of(ring);
    for (const EventSlot& event : events) schedule.push_back(event.scheduled_ns - events[0].scheduled_ns);
  }
  EXPECT_EQ(schedules[0], schedules[1]);
}

TEST(PunctualWait, IsNeverEarlyAndLeavesTheThreadAsItWas) {
  PunctualWait wait;
  int64_t instant_ns = now_ns();
  for (int i = 0; i < 200; ++i) {
    instant_ns += 150'000;
    wait.until_ns(instant_ns);
    EXPECT_GE(now_ns(), instant_ns);
  }
  wait.until_ns(0);
}

TEST(LagHistogram, IsWithinASixteenthAbove) {
  LagHistogram lag;
  EXPECT_EQ(lag.at(0.99), 0);
  for (int64_t i = 1; i <= 100'000; ++i) lag.add(i * 37);
  EXPECT_EQ(lag.count(), 100'000);
  EXPECT_EQ(lag.most_ns(), 3'700'000);
  for (const double share : {0.001, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = share * 3'700'000;
    EXPECT_GE(static_cast<double>(lag.at(share)), exact);
    EXPECT_LE(static_cast<double>(lag.at(share)), exact * (1 + 1.0 / 16));
  }
  EXPECT_EQ(lag.at(1), 3'700'000);
  LagHistogram ends;
  ends.add(-5);
  ends.add(std::numeric_limits<int64_t>::max());
  EXPECT_EQ(ends.at(0.5), 0);
  EXPECT_EQ(ends.at(1), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace cotenant
