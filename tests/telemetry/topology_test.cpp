#include "telemetry/topology.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/affinity.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

using Cores = std::vector<std::vector<int>>;

TEST(Topology, PutsTheThreadsOfACoreTogether) {
  const TemporaryDirectory directory;
  const std::string root = directory.path().string();
  const auto siblings = [&](int cpu, const std::string& list) {
    const auto path =
        std::filesystem::path(root) / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) / "topology";
    std::filesystem::create_directories(path);
    std::ofstream(path / "thread_siblings_list") << list << "\n";
  };
  for (const int cpu : {0, 4}) siblings(cpu, "0,4");
  for (const int cpu : {1, 5}) siblings(cpu, "1,5");
  for (const int cpu : {2, 3}) siblings(cpu, "2-3");  // another numbering
  EXPECT_EQ(cores_of({0, 1, 2, 3, 4, 5}, root), (Cores{{0, 4}, {1, 5}, {2, 3}}));
  EXPECT_EQ(cores_of({1, 2, 4, 5}, root), (Cores{{1, 5}, {2}, {4}}));  // of those that may be used
  EXPECT_EQ(cores_of({6, 7}, root), (Cores{{6}, {7}}));                // of which nothing is told
}

TEST(Topology, OfThisMachineHasEveryCpuOnce) {
  std::vector<int> seen;
  for (const auto& core : cores_of(affinity())) seen.insert(seen.end(), core.begin(), core.end());
  std::ranges::sort(seen);
  EXPECT_EQ(seen, affinity());
}

}  // namespace
}  // namespace cotenant
