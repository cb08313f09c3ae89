#include "sharing/host_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/affinity.h"
#include "base/error.h"
#include "sharing/device.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

const HostCpus kEight{{{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}}, 8};
// As most x86 servers number them: the second threads of all cores come after the first ones.
const HostCpus kFourOfTwo{{{0, 4}, {1, 5}, {2, 6}, {3, 7}}, 8};

std::vector<TenantConfig> tenants(size_t count) {
  std::vector<TenantConfig> tenants(count);
  for (size_t i = 0; i < count; ++i) tenants[i].name = "t" + std::to_string(i);
  return tenants;
}

std::string error_of(SharingMode mode, const std::vector<TenantConfig>& configs, const HostCpus& host) {
  try {
    divide_host(mode, configs, host);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "no error";
}

TEST(HostShare, TimesliceDividesThreadsAndPinsNobody) {
  for (const auto& [count, threads] : {std::pair(1, 8), std::pair(2, 4), std::pair(3, 2), std::pair(10, 1)}) {
    const auto shares = divide_host(SharingMode::timeslice, tenants(static_cast<size_t>(count)), kEight);
    for (const HostShare& share : shares) {
      EXPECT_EQ(share.threads, threads);
      EXPECT_TRUE(share.cpus.empty());
    }
  }
}

TEST(HostShare, TakesWhatATenantAsksFor) {
  auto configs = tenants(2);
  configs[0].threads = 6;
  configs[1].cpus = {2, 3};
  const auto shares = divide_host(SharingMode::timeslice, configs, kEight);
  EXPECT_EQ(shares[0].threads, 6);
  EXPECT_EQ(shares[1].threads, 2);
  EXPECT_EQ(shares[1].cpus, (std::vector<int>{2, 3}));
}

TEST(HostShare, PartitionsAreDisjointAndCoverTheMachine) {
  for (size_t count = 1; count <= 8; ++count) {
    std::set<int> seen;
    size_t handed_out = 0;
    for (const HostShare& share : divide_host(SharingMode::partition, tenants(count), kEight)) {
      EXPECT_EQ(share.threads, static_cast<int>(share.cpus.size()));
      handed_out += share.cpus.size();
      seen.insert(share.cpus.begin(), share.cpus.end());
    }
    EXPECT_EQ(seen.size(), handed_out);
    EXPECT_EQ(handed_out, 8u);
  }
}

TEST(HostShare, PartitionsBySharesAndNamedCpus) {
  auto configs = tenants(3);
  configs[0].sm_percent = 50;
  configs[1].cpus = {0, 1};
  const auto shares = divide_host(SharingMode::partition, configs, kEight);
  EXPECT_EQ(shares[0].cpus.size(), 4u);
  EXPECT_EQ(shares[1].cpus, (std::vector<int>{0, 1}));
  EXPECT_EQ(shares[2].cpus.size(), 2u);
}

TEST(HostShare, RefusesWhatCannotBe) {
  auto configs = tenants(2);
  configs[0].cpus = {9};
  EXPECT_THAT(error_of(SharingMode::timeslice, configs, kEight), HasSubstr("t0"));
  configs[0].cpus = configs[1].cpus = {3};
  EXPECT_THAT(error_of(SharingMode::partition, configs, kEight), HasSubstr("belongs to another tenant"));
  EXPECT_EQ(error_of(SharingMode::timeslice, configs, kEight), "no error");
  EXPECT_THAT(error_of(SharingMode::partition, tenants(9), kEight), HasSubstr("of its own CPUs"));
  configs = tenants(2);
  configs[0].sm_percent = 100;
  EXPECT_THAT(error_of(SharingMode::partition, configs, kEight), HasSubstr("t1"));
}

TEST(HostShare, KnowsWhenThreadsOutnumberCpus) {
  EXPECT_FALSE(oversubscribed(divide_host(SharingMode::timeslice, tenants(8), kEight), kEight));
  EXPECT_TRUE(oversubscribed(divide_host(SharingMode::timeslice, tenants(9), kEight), kEight));
}

TEST(HostShare, AQuotaLimitsThreads) {
  HostCpus limited = kEight;
  limited.at_once = 3;
  for (const SharingMode mode : {SharingMode::timeslice, SharingMode::partition}) {
    const auto shares = divide_host(mode, tenants(2), limited);
    EXPECT_EQ(shares[0].threads, 1);
    EXPECT_EQ(shares[1].threads, 1);
    EXPECT_FALSE(oversubscribed(shares, limited));
  }
  EXPECT_EQ(divide_host(SharingMode::timeslice, tenants(1), limited)[0].threads, 3);
  EXPECT_TRUE(oversubscribed(divide_host(SharingMode::timeslice, tenants(4), limited), limited));
}

std::vector<std::vector<int>> cpus_of(const std::vector<HostShare>& shares) {
  std::vector<std::vector<int>> cpus;
  for (const HostShare& share : shares) cpus.push_back(share.cpus);
  return cpus;
}

TEST(HostShare, PartitionsAreOfWholeCores) {
  using Cpus = std::vector<std::vector<int>>;
  const auto equal = [](size_t count) {
    return cpus_of(divide_host(SharingMode::partition, tenants(count), kFourOfTwo));
  };
  EXPECT_EQ(equal(2), (Cpus{{0, 1, 4, 5}, {2, 3, 6, 7}}));
  EXPECT_EQ(equal(3), (Cpus{{0, 4}, {1, 5}, {2, 3, 6, 7}}));
  EXPECT_EQ(equal(4), (Cpus{{0, 4}, {1, 5}, {2, 6}, {3, 7}}));
  auto configs = tenants(2);
  configs[0].sm_percent = 75;
  EXPECT_EQ(cpus_of(divide_host(SharingMode::partition, configs, kFourOfTwo)), (Cpus{{0, 1, 2, 4, 5, 6}, {3, 7}}));
  configs[0].sm_percent.reset();
  configs[0].cpus = {5};  // whoever names CPUs has them; the other one gets cores that are whole
  EXPECT_EQ(cpus_of(divide_host(SharingMode::partition, configs, kFourOfTwo)), (Cpus{{5}, {0, 2, 3, 4, 6, 7}}));
}

TEST(HostShare, TellsOfTenantsOnOneCore) {
  const auto told = [](SharingMode mode, const std::vector<TenantConfig>& configs) {
    const auto warnings = shared_core_warnings(configs, divide_host(mode, configs, kFourOfTwo), kFourOfTwo);
    return warnings.empty() ? "" : warnings.front().what;
  };
  EXPECT_EQ(told(SharingMode::partition, tenants(4)), "");
  EXPECT_EQ(told(SharingMode::timeslice, tenants(8)), "");
  EXPECT_THAT(told(SharingMode::partition, tenants(8)), HasSubstr("t0 and t1 (CPUs 0,4) and 3 more pairs"));
  auto configs = tenants(2);
  configs[0].cpus = {1};
  configs[1].cpus = {5};
  EXPECT_THAT(told(SharingMode::timeslice, configs), HasSubstr("t0 and t1 (CPUs 1,5)"));
  configs[1].cpus = {1};  // that is what the user says
  EXPECT_EQ(told(SharingMode::timeslice, configs), "");
}

TEST(HostShare, SeesTheCpusOfThisProcess) {
  const HostCpus host = host_cpus(read_machine());
  EXPECT_EQ(host.cpus(), affinity());
  EXPECT_GE(host.at_once, 1);
  EXPECT_LE(host.at_once, static_cast<int>(host.cpus().size()));
}

TEST(Device, TheCpuIsAlwaysThere) {
  EXPECT_EQ(resolve_device("cpu"), "cpu");
  EXPECT_TRUE(describe_device("cpu").name.empty());
}

TEST(Device, ModesOfAGpuAreRefusedOnTheCpu) {
  check_sharing(SharingMode::timeslice, "cpu");
  check_sharing(SharingMode::partition, "cpu");
  for (const SharingMode mode : {SharingMode::mps, SharingMode::streams, SharingMode::green, SharingMode::mig})
    EXPECT_THROW(check_sharing(mode, "cpu"), Error);
}

}  // namespace
}  // namespace cotenant
