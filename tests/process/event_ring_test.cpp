#include "process/event_ring.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <thread>

#include "base/error.h"

namespace cotenant {
namespace {

EventRing other_side(const EventRing& ring) {
  return EventRing::attach(Fd(::dup(ring.fd())));
}

TEST(EventRing, CarriesEventsAndTheirTokensInOrder) {
  EventRing reader = EventRing::create(64);
  EventRing writer = other_side(reader);
  for (int64_t iter = 0; iter < 3; ++iter) {
    std::vector<int64_t> times;
    for (int64_t token = 0; token < iter; ++token) times.push_back(100 * iter + token);
    ASSERT_TRUE(writer.publish({.iter = iter, .start_ns = 10 * iter, .gpu_ms = 0.5f}, times));
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
  EventRing reader = EventRing::create(4 * EventRing::event_words);
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
  EventRing reader = EventRing::create(2 * EventRing::event_words);
  EventRing writer = other_side(reader);
  const std::vector<int64_t> many(EventRing::event_words + 1);
  EXPECT_FALSE(writer.publish({.iter = 0}, many));
  EXPECT_TRUE(writer.publish({.iter = 1}, std::vector<int64_t>{7}));
  EventSlot event;
  std::vector<int64_t> tokens;
  ASSERT_TRUE(reader.take(event, tokens));
  EXPECT_EQ(event.iter, 1);
  EXPECT_EQ(tokens, std::vector<int64_t>{7});
  EXPECT_EQ(reader.dropped(), 1u);
}

// Whatever a writer that has lost control of its memory leaves there: what was taken before is right, and no more
// comes.
TEST(EventRing, GivesNothingThatIsNoEvent) {
  const auto damaged_by = [](const std::function<void(std::byte*, size_t)>& damage) {
    EventRing reader = EventRing::create(64);
    EventRing writer = other_side(reader);
    for (int64_t iter = 0; iter < 3; ++iter) writer.publish({.iter = iter});
    EventSlot event;
    std::vector<int64_t> tokens;
    EXPECT_TRUE(reader.take(event, tokens));
    const SharedMemory memory = SharedMemory::attach(Fd(::dup(reader.fd())));
    damage(memory.data(), memory.size());
    EXPECT_FALSE(reader.take(event, tokens));
    EXPECT_FALSE(reader.take(event, tokens));
    return reader.damaged();
  };
  EXPECT_FALSE(EventRing::create(64).damaged());
  for (const int byte : {0x00, 0x5a, 0xff})
    EXPECT_TRUE(damaged_by([&](std::byte* data, size_t size) { std::memset(data, byte, size); })) << byte;
  // Only the events, which begin behind the header of a few cache lines.
  for (const int byte : {0x00, 0x5a, 0xff})
    EXPECT_TRUE(damaged_by([&](std::byte* data, size_t size) { std::memset(data + 256, byte, size - 256); })) << byte;
}

// Two threads and a small ring, so that it wraps around thousands of times. Under a thread sanitizer this proves the
// ordering.
TEST(EventRing, WrapsAroundUnderAConcurrentReader) {
  constexpr int64_t count = 100'000;
  EventRing reader = EventRing::create(128);
  std::thread thread([writer = other_side(reader)]() mutable {
    for (int64_t iter = 0; iter < count;) {
      const std::array<int64_t, 2> times{iter, iter + 1};
      if (writer.publish({.iter = iter, .start_ns = 2 * iter, .end_ns = 3 * iter},
                         {times.data(), static_cast<size_t>(iter % 3)}))
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

// A writer that dies in the middle of a record, since not all of its tokens' times can be read: everything before it is
// there, nothing of it is.
TEST(EventRing, SurvivesItsWritersDeath) {
  EventRing reader = EventRing::create(1 << 14);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    EventRing writer = other_side(reader);
    for (int64_t iter = 0; iter < 1000; ++iter) writer.publish({.iter = iter});
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    void* memory = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::mprotect(static_cast<char*>(memory) + page, page, PROT_NONE);
    ::signal(SIGSEGV, SIG_DFL);
    writer.publish({.iter = 1000}, {static_cast<const int64_t*>(memory), 2 * page / sizeof(int64_t)});
    ::_exit(0);
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
  EventRing driver = EventRing::create(2);
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
  EXPECT_THROW(EventRing::create(3), Error);
}

TEST(SharedMemory, CannotBeCutOffByTheOtherSide) {
  const SharedMemory memory = SharedMemory::create("sealed", 4096);
  EXPECT_NE(::ftruncate(memory.fd(), 0), 0);
}

}  // namespace
}  // namespace cotenant
