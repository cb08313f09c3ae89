#include "engine/stress/calibrated.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/options.h"

namespace cotenant {
namespace {

// A load whose rounds take a known time on the processor, and a fixed time besides, as a launch has.
class KnownLoad : public StressLoad {
 public:
  KnownLoad(double fixed_ms, double round_ms) : fixed_ms_(fixed_ms), round_ms_(round_ms) {}

  MemoryNeed memory_needed() const override { return {.activation_bytes = 4096}; }
  void allocate() override {}
  float run(int64_t rounds) override {
    const int64_t until_ns = now_ns() + s_to_ns(cost_ms(rounds) * 1e-3);
    while (now_ns() < until_ns) {
    }
    return static_cast<float>(round_ms_ * static_cast<double>(rounds));
  }
  double work_per_round() const override { return 0.5; }
  std::string unit() const override { return "GB/s"; }
  int footprint_sms() const override { return 7; }
  double cost_ms(int64_t rounds) const { return fixed_ms_ + round_ms_ * static_cast<double>(rounds); }

 private:
  const double fixed_ms_, round_ms_;
};

TEST(CalibratedEngine, FindsTheRoundsThatFillItsTime) {
  CalibratedEngine engine(std::make_unique<KnownLoad>(0.3, 0.02), 3);
  EXPECT_FALSE(engine.calibration());
  engine.load();
  engine.prepare();
  // (3 - 0.3) / 0.02 = 135. A busy machine only ever makes a request look longer, so that fewer rounds fill the time.
  EXPECT_LE(engine.rounds(), 140);
  EXPECT_GE(engine.rounds(), 60);
  const Calibration calibration = engine.calibration().value();
  EXPECT_EQ(calibration.unit, "GB/s");
  EXPECT_EQ(calibration.footprint_sms, 7);
  EXPECT_DOUBLE_EQ(calibration.work_per_request, 0.5 * static_cast<double>(engine.rounds()));
  EXPECT_GE(calibration.service_ms, KnownLoad(0.3, 0.02).cost_ms(engine.rounds()) - 1e-6);
  EXPECT_DOUBLE_EQ(calibration.rate(), calibration.work_per_request / calibration.service_ms * 1000);
}

TEST(CalibratedEngine, DoesTheSameWorkForEachRequest) {
  CalibratedEngine engine(std::make_unique<KnownLoad>(0, 0.1), 2);
  engine.load();
  engine.prepare();
  engine.warm();
  for (uint64_t id = 3; id < 6; ++id) {
    ASSERT_TRUE(engine.submit({.id = id}));
    EXPECT_FALSE(engine.submit({.id = id + 1}));
    const auto progress = engine.step(now_ns());
    ASSERT_EQ(progress.size(), 2u);
    EXPECT_EQ(progress[0].status, Status::started);
    EXPECT_EQ(progress[1].status, Status::done);
    EXPECT_EQ(progress[1].id, id);
    EXPECT_FLOAT_EQ(progress[1].gpu_ms, 0.1f * static_cast<float>(engine.rounds()));
  }
  EXPECT_TRUE(engine.step(now_ns()).empty());
}

TEST(CalibratedEngine, RefusesATimeBelowTheSmallestRequest) {
  CalibratedEngine engine(std::make_unique<KnownLoad>(5, 1), 0.5);
  engine.load();
  try {
    engine.prepare();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_EQ(error.where(), "stress.service_ms");
    EXPECT_THAT(error.message(), testing::HasSubstr("0.5 ms is too short"));
  }
  EXPECT_THROW(CalibratedEngine(std::make_unique<KnownLoad>(0, 1), 0), Error);
}

TEST(DeviceStress, IsRefusedOnTheCpu) {
  using Kind = EngineOptions::Kind;
  for (const Kind kind : {Kind::compute, Kind::dram, Kind::l2, Kind::pcie, Kind::launch}) {
    EngineOptions options;
    options.kind = kind;
    options.device = "cpu";
    EXPECT_THROW(make_engine(options), Error);
  }
}

}  // namespace
}  // namespace cotenant
