#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "base/clock.h"
#include "base/error.h"
#include "engine/options.h"

namespace cotenant {
namespace {

using Kind = EngineOptions::Kind;

double processor_time_ms() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) * 1e-6;
}

class FixedTime : public testing::TestWithParam<Kind> {
 protected:
  std::unique_ptr<Engine> engine(double service_ms) {
    EngineOptions options;
    options.kind = GetParam();
    options.service_ms = service_ms;
    return make_engine(options);
  }
};

TEST_P(FixedTime, TakesItsServiceTimeFromStartedToDone) {
  const auto e = engine(20);
  ASSERT_TRUE(e->submit({.id = 7}));
  const auto progress = e->step(now_ns());
  ASSERT_EQ(progress.size(), 2u);
  EXPECT_EQ(progress[0].status, Status::started);
  EXPECT_EQ(progress[1].status, Status::done);
  EXPECT_EQ(progress[0].id, 7u);
  EXPECT_EQ(progress[1].id, 7u);
  EXPECT_GE(progress[1].at_ns - progress[0].at_ns, 20'000'000);
}

TEST_P(FixedTime, HoldsOneRequestAtATime) {
  const auto e = engine(1);
  EXPECT_TRUE(e->submit({.id = 1}));
  EXPECT_FALSE(e->submit({.id = 2}));
  e->step(now_ns());
  EXPECT_TRUE(e->submit({.id = 2}));
}

TEST_P(FixedTime, ReturnsEmptyHandedWhenItHasNothingToDo) {
  const auto e = engine(1);
  const int64_t until_ns = now_ns() + 5'000'000;
  EXPECT_TRUE(e->step(until_ns).empty());
  EXPECT_GE(now_ns(), until_ns);
}

TEST_P(FixedTime, NeedsNoMemory) {
  EXPECT_FALSE(engine(1)->memory_needed());
}

TEST_P(FixedTime, RefusesATimeThatIsNone) {
  EXPECT_THROW(engine(0), Error);
  EXPECT_THROW(engine(-1), Error);
}

INSTANTIATE_TEST_SUITE_P(Kinds, FixedTime, testing::Values(Kind::sleep, Kind::spin));

TEST(Stress, SpinKeepsTheProcessorBusyAndSleepDoesNot) {
  const auto processor_ms = [](Kind kind) {
    EngineOptions options;
    options.kind = kind;
    options.service_ms = 50;
    const auto engine = make_engine(options);
    engine->submit({});
    const double before_ms = processor_time_ms();
    engine->step(now_ns());
    return processor_time_ms() - before_ms;
  };
  EXPECT_LT(processor_ms(Kind::sleep), 5);
  EXPECT_GT(processor_ms(Kind::spin), processor_ms(Kind::sleep));
}

}  // namespace
}  // namespace cotenant
