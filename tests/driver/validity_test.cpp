#include "driver/validity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

using testing::Contains;
using testing::HasSubstr;

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

}  // namespace
}  // namespace cotenant
