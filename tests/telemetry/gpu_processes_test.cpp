#include "telemetry/gpu_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ForeignGpuUse, IsWhoIsListedAndNotOurs) {
  const ForeignGpuUse use = foreign_gpu_use({10, 11, 4711, 12}, {10, 11, 12, 1}, true);
  EXPECT_TRUE(use.can_tell);
  EXPECT_THAT(use.foreign, ElementsAre(4711));
}

TEST(ForeignGpuUse, OursAloneAreNoneOfThem) {
  const ForeignGpuUse use = foreign_gpu_use({10, 11}, {10, 11, 1}, true);
  EXPECT_TRUE(use.can_tell);
  EXPECT_THAT(use.foreign, IsEmpty());
}

// Under MPS only its server is listed, and it is named among ours.
TEST(ForeignGpuUse, KnowsAHelper) {
  const ForeignGpuUse use = foreign_gpu_use({77}, {10, 11, 77}, true);
  EXPECT_TRUE(use.can_tell);
  EXPECT_THAT(use.foreign, IsEmpty());
}

// A container: the driver lists numbers that mean other processes here.
TEST(ForeignGpuUse, CannotBeToldInAnotherNamespace) {
  const ForeignGpuUse use = foreign_gpu_use({90010, 90011}, {10, 11}, true);
  EXPECT_FALSE(use.can_tell);
  EXPECT_THAT(use.foreign, IsEmpty());
}

TEST(ForeignGpuUse, CannotBeToldWhereEvenWeAreNotListed) {
  EXPECT_FALSE(foreign_gpu_use({}, {10}, true).can_tell);
}

TEST(ForeignGpuUse, NobodyIsListedWhenNobodyUsesIt) {
  const ForeignGpuUse use = foreign_gpu_use({}, {10}, false);
  EXPECT_TRUE(use.can_tell);
  EXPECT_THAT(use.foreign, IsEmpty());
}

}  // namespace
}  // namespace cotenant
