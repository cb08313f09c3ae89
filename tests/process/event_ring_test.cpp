#include "process/event_ring.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"

namespace cotenant {
namespace {

EventRing other_side(const EventRing& ring) {
  return EventRing::attach(Fd(::dup(ring.fd())));
}

TEST(EventRing, CarriesEventsAndTheirTokensInOrder) {
  EventRing reader = EventRing::create(8, 8);
  EventRing writer = other_side(reader);
  for (int64_t iter = 0; iter < 3; ++iter) {
    for (int64_t token = 0; token < iter; ++token) writer.token(100 * iter + token);
    ASSERT_TRUE(writer.publish({.iter = iter, .start_ns = 10 * iter, .gpu_ms = 0.5f}));
  }
  EventSlot event;
  std::vector<int64_t> tokens;
  for (int64_t iter = 0; iter < 3; ++iter) {
    ASSERT_TRUE(reader.take(event, tokens));
    EXPECT_EQ(event.iter, iter);
    EXPECT_EQ(event.start_ns, 10 * iter);
    EXPECT_EQ(event.gpu_ms, 0.5f);
    ASSERT_EQ(tokens.size(), static_cast<size_t>(iter));
    for (int64_t token = 0; token < iter; ++token) EXPECT_EQ(tokens[static_cast<size_t>(token)], 100 * iter + token);
  }
  EXPECT_FALSE(reader.take(event, tokens));
}

TEST(EventRing, DropsAndCountsWhenFull) {
  EventRing reader = EventRing::create(4, 4);
  EventRing writer = other_side(reader);
  for (int64_t iter = 0; iter < 6; ++iter) EXPECT_EQ(writer.publish({.iter = iter}), iter < 4);
  EXPECT_EQ(reader.dropped(), 2u);
  EventSlot event;
  std::vector<int64_t> tokens;
  ASSERT_TRUE(reader.take(event, tokens));
  EXPECT_EQ(event.iter, 0);
  EXPECT_TRUE(writer.publish({.iter = 6}));
}

TEST(EventRing, DropsAnEventWhoseTokensDoNotFit) {
  EventRing reader = EventRing::create(4, 4);
  EventRing writer = other_side(reader);
  for (int64_t token = 0; token < 5; ++token) writer.token(token);
  EXPECT_FALSE(writer.publish({.iter = 0}));
  writer.token(7);
  EXPECT_TRUE(writer.publish({.iter = 1}));
  EventSlot event;
  std::vector<int64_t> tokens;
  ASSERT_TRUE(reader.take(event, tokens));
  EXPECT_EQ(event.iter, 1);
  EXPECT_EQ(tokens, std::vector<int64_t>{7});
  EXPECT_EQ(reader.dropped(), 1u);
}

// Two threads and a small ring, so that it wraps around thousands of times. Under a thread sanitizer this proves the
// ordering.
TEST(EventRing, WrapsAroundUnderAConcurrentReader) {
  constexpr int64_t count = 100'000;
  EventRing reader = EventRing::create(16, 32);
  std::thread thread([writer = other_side(reader)]() mutable {
    for (int64_t iter = 0; iter < count;) {
      for (int64_t token = 0; token < iter % 3; ++token) writer.token(iter + token);
      if (writer.publish({.iter = iter, .start_ns = 2 * iter, .end_ns = 3 * iter}))
        ++iter;
      else
        std::this_thread::yield();
    }
  });
  EventSlot event;
  std::vector<int64_t> tokens;
  for (int64_t iter = 0; iter < count;) {
    if (!reader.take(event, tokens)) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(event.iter, iter);
    ASSERT_EQ(event.start_ns, 2 * iter);
    ASSERT_EQ(event.end_ns, 3 * iter);
    ASSERT_EQ(tokens.size(), static_cast<size_t>(iter % 3));
    for (size_t i = 0; i < tokens.size(); ++i) ASSERT_EQ(tokens[i], iter + static_cast<int64_t>(i));
    ++iter;
  }
  thread.join();
  EXPECT_FALSE(reader.take(event, tokens));
}

// A writer that is killed in the middle of an event: everything before it is there, nothing of it is.
TEST(EventRing, SurvivesItsWritersDeath) {
  EventRing reader = EventRing::create(2048, 2048);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    EventRing writer = other_side(reader);
    for (int64_t iter = 0; iter < 1000; ++iter) writer.publish({.iter = iter});
    writer.token(1);
    writer.token(2);
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EventSlot event;
  std::vector<int64_t> tokens;
  for (int64_t iter = 0; iter < 1000; ++iter) {
    ASSERT_TRUE(reader.take(event, tokens));
    ASSERT_EQ(event.iter, iter);
    ASSERT_TRUE(tokens.empty());
  }
  EXPECT_FALSE(reader.take(event, tokens));
}

TEST(EventRing, CarriesTheStopFlag) {
  EventRing driver = EventRing::create(2, 2);
  const EventRing worker = other_side(driver);
  EXPECT_FALSE(worker.stop_requested());
  driver.request_stop();
  EXPECT_TRUE(worker.stop_requested());
}

TEST(EventRing, RefusesMemoryThatIsNoRing) {
  const SharedMemory zeros = SharedMemory::create("zeros", 4096);
  EXPECT_THROW(EventRing::attach(Fd(::dup(zeros.fd()))), Error);
  const SharedMemory tiny = SharedMemory::create("tiny", 8);
  EXPECT_THROW(EventRing::attach(Fd(::dup(tiny.fd()))), Error);
  EXPECT_THROW(EventRing::create(3, 4), Error);
}

TEST(SharedMemory, CannotBeCutOffByTheOtherSide) {
  const SharedMemory memory = SharedMemory::create("sealed", 4096);
  EXPECT_NE(::ftruncate(memory.fd(), 0), 0);
}

}  // namespace
}  // namespace cotenant
