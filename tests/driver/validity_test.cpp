#include "driver/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

// Whatever else is wrong with a record without tenants, the other program is told or not.
TEST(Validity, AnotherProgramOnTheGpuMakesARunInvalid) {
  ExperimentRecord record;
  record.window = WindowRecord{0, 5};
  judge(record, {}, false);
  EXPECT_TRUE(record.validity.valid);

  record.validity = {};
  record.foreign.gpu_processes = {"python, pid 4711"};
  judge(record, {}, false);
  EXPECT_TRUE(record.validity.complete);
  EXPECT_FALSE(record.validity.valid);
  EXPECT_THAT(record.validity.reasons, Contains("another program (python, pid 4711) used the GPU during the run: end "
                                                "it and run again"));
}

// 400 requests, one after another, that take `latency_ms(i)`.
std::vector<Iteration> requests(double (*latency_ms)(int)) {
  std::vector<Iteration> iterations;
  double now_s = 0;
  for (int i = 0; i < 400; ++i) {
    Iteration& iteration = iterations.emplace_back();
    iteration.latency_ms = latency_ms(i);
    iteration.start_s = now_s;
    iteration.end_s = now_s += iteration.latency_ms * 1e-3;
  }
  return iterations;
}

TEST(Validity, ALateWarmupIsAWarning) {
  ExperimentRecord record;
  record.window = WindowRecord{0, 10};
  record.tenants.resize(1);
  record.tenants[0].name = "a";
  record.tenants[0].summary.latency.count = 400;
  const auto warnings = [&](double (*latency_ms)(int)) {
    record.validity = {};
    judge(record, {[&](const auto& use) { std::ranges::for_each(requests(latency_ms), use); }}, false);
    EXPECT_TRUE(record.validity.valid);
    std::vector<std::string> found;
    for (const WarningRecord& warning : record.validity.warnings) found.push_back(warning.what);
    return found;
  };
  const auto late = HasSubstr("as if still warming up");
  EXPECT_THAT(warnings([](int i) { return (i < 60 ? 13.0 : 10.0) + 0.1 * (i % 3); }),
              Contains("the first 60 of 400 requests of a are 30% slower than the rest, as if still warming up"));
  EXPECT_THAT(warnings([](int i) { return 10 + 0.1 * (i % 3); }), Not(Contains(late)));
  EXPECT_THAT(warnings([](int i) { return (i < 60 ? 10.5 : 10.0) + 0.1 * (i % 3); }), Not(Contains(late)));  // by 5%
}

}  // namespace
}  // namespace cotenant
