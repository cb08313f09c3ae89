#include "worker/timed_loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>

#include "base/clock.h"
#include "engine/options.h"
#include "spin_engine.h"

#ifdef COTENANT_SANITIZED
#define COTENANT_COUNTS_ALLOCATIONS 0
#else
#define COTENANT_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<size_t> allocations{0};
}

#if COTENANT_COUNTS_ALLOCATIONS
void* operator new(size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
#endif

namespace cotenant {
namespace {

// Two tokens of two rows per request, as an engine that generates reports them.
class TwoTokens : public Engine {
 public:
  void load() override {}
  void warm() override {}
  bool submit(const Request& request) override {
    id_ = request.id;
    steps_ = 0;
    return true;
  }
  std::span<const Progress> step(int64_t) override {
    ++steps_;
    const auto status = steps_ < 3 ? Status::token : fails_ ? Status::failed : Status::done;
    progress_[0] = {.id = id_, .status = status, .row = 0, .at_ns = steps_ * 1000, .gpu_ms = 0.25f};
    progress_[1] = {.id = id_, .status = status, .row = 1, .at_ns = steps_ * 1000, .gpu_ms = 0.25f};
    return status == Status::token ? std::span<const Progress>(progress_)
                                   : std::span<const Progress>(progress_.data(), 1);
  }

  bool fails_ = false;

 private:
  uint64_t id_ = 0;
  int64_t steps_ = 0;
  std::array<Progress, 2> progress_;
};

TEST(TimedLoop, RunsExactlyTheFixedIterations) {
  EventRing ring = EventRing::create(1 << 10);
  const auto engine = spin(0.1);
  EXPECT_EQ(run_workload(*engine, {.rows = 2, .seq_len = 16, .exactly = 20}, ring).requests, 20);
  EventSlot event;
  std::vector<int64_t> tokens;
  int64_t last_end_ns = 0;
  for (int64_t iter = 0; iter < 20; ++iter) {
    ASSERT_TRUE(ring.take(event, tokens));
    EXPECT_EQ(event.iter, iter);
    EXPECT_EQ(event.status, 0u);
    EXPECT_EQ(event.tokens_in, 32);
    EXPECT_EQ(event.tokens_out, 0);
    EXPECT_EQ(event.scheduled_ns, event.start_ns);      // closed loop: sent when due
    EXPECT_GE(event.end_ns - event.start_ns, 100'000);  // never less than the service
    EXPECT_GE(event.start_ns, last_end_ns);
    EXPECT_LT(event.gpu_ms, 0);
    last_end_ns = event.end_ns;
  }
  EXPECT_FALSE(ring.take(event, tokens));
}

TEST(TimedLoop, RunsUntilItIsToldToStop) {
  EventRing ring = EventRing::create(1 << 18);
  EventRing worker_side = EventRing::attach(Fd(::dup(ring.fd())));
  const auto engine = spin(0.2);
  int64_t requests = 0;
  std::thread thread([&] { requests = run_workload(*engine, {}, worker_side).requests; });
  sleep_until_ns(now_ns() + 50'000'000);
  ring.request_stop();
  thread.join();
  EXPECT_GT(requests, 0);
  EventSlot event;
  std::vector<int64_t> tokens;
  int64_t events = 0;
  while (ring.take(event, tokens)) ++events;
  EXPECT_EQ(events, requests);
}

TEST(TimedLoop, NotesTokensOfAllRowsAndTimesOfOne) {
  EventRing ring = EventRing::create(64);
  TwoTokens engine;
  run_workload(engine, {.rows = 2, .seq_len = 5, .max_new_tokens = 2, .exactly = 2}, ring);
  EventSlot event;
  std::vector<int64_t> tokens;
  ASSERT_TRUE(ring.take(event, tokens));
  EXPECT_EQ(event.tokens_out, 4);
  EXPECT_EQ(tokens, (std::vector<int64_t>{1000, 2000}));
  EXPECT_EQ(event.end_ns, 3000);
  EXPECT_EQ(event.gpu_ms, 0.25f);
}

TEST(TimedLoop, RecordsFailures) {
  EventRing ring = EventRing::create(64);
  TwoTokens engine;
  engine.fails_ = true;
  EXPECT_EQ(run_workload(engine, {.rows = 2, .seq_len = 5, .max_new_tokens = 2, .exactly = 1}, ring).requests, 1);
  EventSlot event;
  std::vector<int64_t> tokens;
  ASSERT_TRUE(ring.take(event, tokens));
  EXPECT_EQ(event.status, 2u);
}

TEST(TimedLoop, AllocatesNothing) {
  if (!COTENANT_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has replaced the allocator";
  EventRing ring = EventRing::create(1 << 14);
  const auto engine = spin(0.01);
  TwoTokens generating;
  InFlight in_flight(1, 2);
  Workload closed({.exactly = 500}, now_ns()), paced({.period_ms = 0.02, .exactly = 50}, now_ns()),
      tokens({.rows = 2, .max_new_tokens = 2, .exactly = 20}, now_ns()),
      open({.max_new_tokens = LognormalLength{.mean = 2, .sigma = 1, .least = 1, .most = 2},
            .arrivals = gamma_arrivals(50'000, 2),
            .max_queue = 3,
            .exactly = 500},
           now_ns());
  const size_t before = allocations;
  run_timed_loop(*engine, closed, {}, in_flight, ring);
  run_timed_loop(*engine, paced, {}, in_flight, ring);
  run_timed_loop(generating, tokens, {}, in_flight, ring);
  run_timed_loop(*engine, open, {}, in_flight, ring);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace cotenant
