#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "device_data.h"
#include "engine/native/cuda/device.h"
#include "engine/stress/calibrated.h"
#include "engine/stress/cuda/loads.h"

// Each stress kind on the device itself: that a request takes its time, costs what it says, and that the rates are of
// the size that the hardware has. The floors are low, so that any data-center GPU of the last years passes.
namespace cotenant {
namespace {

using Kind = StressLoad::Kind;

class StressOnGpu : public OnGpu {
 protected:
  static std::unique_ptr<CalibratedEngine> ready(Kind kind, double service_ms, int sms = 0) {
    auto engine =
        std::make_unique<CalibratedEngine>(make_cuda_load({.kind = kind, .device = "cuda:0", .sms = sms}), service_ms);
    engine->load();
    engine->prepare();
    engine->warm();
    return engine;
  }

  static double median_ms(CalibratedEngine& engine, bool gpu) {
    std::vector<double> times;
    for (uint64_t id = 0; id < 101; ++id) {
      engine.submit({.id = id});
      const auto progress = engine.step(now_ns());
      times.push_back(gpu ? static_cast<double>(progress[1].gpu_ms) : ns_to_ms(progress[1].at_ns - progress[0].at_ns));
    }
    std::nth_element(times.begin(), times.begin() + 50, times.end());
    return times[50];
  }

  static double rate(Kind kind, int sms = 0) {
    const auto engine = ready(kind, 2, sms);
    const Calibration calibration = engine->calibration().value();
    std::printf("%-8s %4d SMs: %.4g %s, a request of 2 ms is %lld rounds and takes %.4f ms (gpu %.4f)\n",
                calibration.unit.c_str(), calibration.footprint_sms, calibration.rate(), calibration.unit.c_str(),
                static_cast<long long>(engine->rounds()), calibration.service_ms, median_ms(*engine, true));
    return calibration.rate();
  }
};

class EachKind : public StressOnGpu, public testing::WithParamInterface<Kind> {};

TEST_P(EachKind, TakesItsServiceTimeAlone) {
  constexpr double tolerance = 0.1;
  for (const double service_ms : {1.0, 5.0}) {
    const auto engine = ready(GetParam(), service_ms);
    EXPECT_NEAR(engine->calibration()->service_ms, service_ms, tolerance * service_ms);
    EXPECT_NEAR(median_ms(*engine, false), service_ms, tolerance * service_ms);
    const double gpu_ms = median_ms(*engine, true);
    EXPECT_GT(gpu_ms, 0);
    EXPECT_LT(gpu_ms, (1 + tolerance) * service_ms);
  }
}

std::string name_of(const testing::TestParamInfo<Kind>& info) {
  constexpr std::array names{"compute", "dram", "l2", "pcie", "launch"};
  return names[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Kinds, EachKind,
                         testing::Values(Kind::compute, Kind::dram, Kind::l2, Kind::pcie, Kind::launch), name_of);

TEST_F(StressOnGpu, ComputeLoadsTheTensorCores) {
  const int sms = open_device("cuda:0").sms;
  EXPECT_GT(rate(Kind::compute), 1000.0 * sms);  // an SM of an A100 can 2400 GFLOP/s, of an H100 about 4500 this way
  EXPECT_LT(rate(Kind::compute), 9000.0 * sms);  // more than there is: work would have been left out
}

TEST_F(StressOnGpu, DramIsFasterThanAHostAndSlowerThanTheCache) {
  const double dram = rate(Kind::dram), l2 = rate(Kind::l2);
  EXPECT_GT(dram, 400);   // GB/s
  EXPECT_LT(dram, 9000);  // no device's memory is as fast: the cache would have answered
  EXPECT_GT(l2, 1.2 * dram);
}

TEST_F(StressOnGpu, PcieCopiesBothWays) {
  const double pcie = rate(Kind::pcie);
  EXPECT_GT(pcie, 5);  // GB/s in both directions together
  EXPECT_LT(pcie, 1000);
}

TEST_F(StressOnGpu, LaunchesAreManyAndSmall) {
  const double launches = rate(Kind::launch);
  EXPECT_GT(launches, 50e3);
  EXPECT_LT(launches, 5e6);
}

TEST_F(StressOnGpu, HalfTheMultiprocessorsComputeHalfAsMuch) {
  const int sms = open_device("cuda:0").sms;
  if (sms < 2) GTEST_SKIP() << "the device shows a single multiprocessor";
  const double all = rate(Kind::compute), half = rate(Kind::compute, sms / 2);
  EXPECT_GT(half, 0.4 * all);
  EXPECT_LT(half, 0.75 * all);  // fewer may clock higher
}

TEST_F(StressOnGpu, FootprintsAreStated) {
  EXPECT_EQ(make_cuda_load({.kind = Kind::dram, .device = "cuda:0", .sms = 1})->footprint_sms(), 1);
  EXPECT_EQ(make_cuda_load({.kind = Kind::pcie, .device = "cuda:0"})->footprint_sms(), 0);
  EXPECT_EQ(make_cuda_load({.kind = Kind::launch, .device = "cuda:0"})->footprint_sms(), 1);
  const DeviceFacts device = open_device("cuda:0");
  EXPECT_EQ(make_cuda_load({.kind = Kind::l2, .device = "cuda:0"})->footprint_sms(), device.sms);
  EXPECT_GE(make_cuda_load({.kind = Kind::dram, .device = "cuda:0"})->memory_needed().total(), 8 * device.l2_bytes);
  EXPECT_THROW(make_cuda_load({.kind = Kind::dram, .device = "cuda:0", .sms = device.sms + 1}), Error);
}

}  // namespace
}  // namespace cotenant
