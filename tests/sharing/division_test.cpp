#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/device_name.h"
#include "base/error.h"
#include "sharing/device.h"
#include "sharing/device_shares.h"
#include "sharing/green.h"
#include "sharing/mig.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Shares = std::vector<std::optional<double>>;

std::vector<int> groups_of(const Shares& shares, int groups) {
  return divide_groups(shares, groups);
}

TEST(GreenGroups, WithoutSharesAreEqualAndTheRestStaysIdle) {
  EXPECT_THAT(groups_of({{}, {}}, 16), ElementsAre(8, 8));
  EXPECT_THAT(groups_of({{}, {}, {}}, 16), ElementsAre(5, 5, 5));
  EXPECT_EQ(groups_of(Shares(10), 16), std::vector<int>(10, 1));
}

TEST(GreenGroups, AreTheNearestToTheShares) {
  EXPECT_THAT(groups_of({25, 75}, 16), ElementsAre(4, 12));
  EXPECT_THAT(groups_of({12, {}}, 16), ElementsAre(2, 14));
  EXPECT_THAT(groups_of({1, 50}, 16), ElementsAre(1, 8));  // at least one
}

TEST(GreenGroups, RoundingNeverExceedsTheDevice) {
  EXPECT_THAT(groups_of({47, 53}, 16), ElementsAre(8, 8));          // 7.52 and 8.48
  const std::vector<int> thirds = groups_of({34.5, 34.5, 31}, 16);  // 5.52, 5.52, 4.96: 6 + 6 + 5
  EXPECT_EQ(thirds[0] + thirds[1] + thirds[2], 16);
  EXPECT_EQ(thirds[2], 5);
}

TEST(GreenGroups, TooManyTenantsOrTooLargeSharesAreRefused) {
  EXPECT_THROW(groups_of(Shares(17), 16), Error);
  EXPECT_THROW(groups_of({100, {}}, 1), Error);
  try {
    groups_of({60, 60}, 16);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("add up to 120"));
  }
}

// Measured on an H100 (132 SMs): what a client's multiProcessorCount reads.
TEST(MpsShare, IsRoundedDownToPairsOfSms) {
  EXPECT_EQ(mps_share_sms(100, 132), 132);
  EXPECT_EQ(mps_share_sms(50, 132), 66);
  EXPECT_EQ(mps_share_sms(25, 132), 32);
  EXPECT_EQ(mps_share_sms(10, 132), 12);
  EXPECT_EQ(mps_share_sms(0.5, 132), 2);
}

TEST(MpsShare, BecomesTheClientsEnvironment) {
  EXPECT_THAT(mps_share_environment(12.5, -1, uint64_t{4} << 30, 2),
              ElementsAre(Pair("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "12.5"),
                          Pair("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "2=4096M"), Pair("CUDA_MPS_CLIENT_PRIORITY", "1")));
  EXPECT_TRUE(mps_share_environment({}, {}, {}, 0).empty());
}

TEST(Granted, IsJudgedByWhatTheTenantSees) {
  EXPECT_TRUE(is_granted(SharingMode::mps, 25, 32, 132));
  EXPECT_FALSE(is_granted(SharingMode::mps, 25, 132, 132));
  EXPECT_FALSE(is_granted(SharingMode::mps, 50, 32, 132));
  EXPECT_TRUE(is_granted(SharingMode::green, 10, 16, 132));
  EXPECT_FALSE(is_granted(SharingMode::green, 10, 0, 132));
}

TenantConfig tenant(const std::string& name, std::optional<double> sm_percent = {}, std::optional<int> priority = {}) {
  TenantConfig config;
  config.name = name;
  config.sm_percent = sm_percent;
  config.priority = priority;
  return config;
}

TEST(DivideDevice, SharesAboveTheWholeAreAllowedUnderMpsWithAWarning) {
  const std::vector<TenantConfig> tenants{tenant("a", 80), tenant("b", 80)};
  const DeviceDivision division = divide_device(SharingMode::mps, tenants, "cuda:0");
  ASSERT_EQ(division.warnings.size(), 1u);
  EXPECT_THAT(division.warnings[0].what, HasSubstr("add up to 160"));
  EXPECT_THAT(division.tenants[1].environment, ElementsAre(Pair("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "80")));
}

// 180 in all, and only the first device's two exceed the whole.
TEST(DivideDevice, SharesAddUpOnEachOfSeveral) {
  const std::vector<TenantConfig> tenants{tenant("a", 70), tenant("b", 60), tenant("c", 50)};
  const DeviceDivision division = divide_devices(SharingMode::mps, tenants, {"cuda:1", "cuda:0", "cuda:1"});
  ASSERT_EQ(division.warnings.size(), 1u);
  EXPECT_EQ(division.warnings[0].what, "cuda:1: the tenants' sm_percent add up to 120");
  const auto share = [&](size_t i) { return division.tenants[i].environment.at(0).second; };
  EXPECT_EQ(share(0), "70");
  EXPECT_EQ(share(1), "60");
  EXPECT_EQ(share(2), "50");
  const DeviceDivision apart = divide_devices(SharingMode::mps, tenants, {"cuda:0", "cuda:1", "cuda:2"});
  EXPECT_THAT(apart.warnings, testing::IsEmpty());
}

TEST(Mig, InstancesAreNamedByUuidOrIndex) {
  std::vector<MigInstance> instances(2);
  instances[0] = {.index = 0, .uuid = "MIG-aaaa", .memory_bytes = uint64_t{10} << 30, .sm_count = 14};
  instances[1] = {.index = 1, .uuid = "MIG-bbbb", .memory_bytes = {}, .sm_count = {}};
  std::vector<TenantConfig> tenants{tenant("a"), tenant("b")};
  const auto message = [&] {
    try {
      match_mig_instances(tenants, instances);
      return std::string("found");
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_THAT(message(), HasSubstr("found none; there are 0: MIG-aaaa, 14 SMs, 10.0 GiB; 1: MIG-bbbb"));
  tenants[0].mig_instance = "1";
  tenants[1].mig_instance = "MIG-aaaa";
  EXPECT_THAT(match_mig_instances(tenants, instances), ElementsAre("MIG-bbbb", "MIG-aaaa"));
  tenants[1].mig_instance = "MIG-bbbb";
  EXPECT_THAT(message(), HasSubstr("tenant b: mig_instance: MIG-bbbb is another tenant's already"));
  tenants[1].mig_instance = "MIG-cccc";
  EXPECT_THAT(message(), HasSubstr("found MIG-cccc"));
}

TEST(Device, OrdinalIsTheNumberBehindTheColon) {
  EXPECT_EQ(device_ordinal("cuda"), 0u);
  EXPECT_EQ(device_ordinal("cuda:3"), 3u);
}

}  // namespace
}  // namespace cotenant
