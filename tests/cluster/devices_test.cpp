#include "cluster/devices.h"

#include <gtest/gtest.h>

#include "base/affinity.h"
#include "base/error.h"

namespace cotenant {
namespace {

using Cores = std::vector<std::vector<int>>;

TEST(Devices, DivideWholeCores) {
  const Cores cores{{0, 8}, {1, 9}, {2, 10}, {3, 11}, {4, 12}};
  EXPECT_EQ(divided_cores(cores, 2), (Cores{{0, 1, 8, 9}, {2, 3, 4, 10, 11, 12}}));
  EXPECT_EQ(divided_cores(cores, 1), (Cores{{0, 1, 2, 3, 4, 8, 9, 10, 11, 12}}));
}

TEST(Devices, ShareAllCoresWhereThereAreFewer) {
  EXPECT_EQ(divided_cores({{0}, {1}}, 3), (Cores{{0, 1}, {0, 1}, {0, 1}}));
}

TEST(Devices, ListsAreReadAndRefused) {
  const auto devices = devices_named("cpu,cpu");
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_NE(devices[0].label, devices[1].label);
  for (const WorkerDevice& device : devices) EXPECT_FALSE(device.cpus.empty());
  for (const char* bad : {"", "cpu,", "gpu", "-1", "0,x", "99999"}) EXPECT_THROW(devices_named(bad), Error) << bad;
}

}  // namespace
}  // namespace cotenant
