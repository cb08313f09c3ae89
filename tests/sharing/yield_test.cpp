#include "sharing/yield.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

// The page by which tenants give way to each other: its seats, and that both sides see one memory.
namespace cotenant {
namespace {

using testing::HasSubstr;

TenantConfig native(const std::string& name, std::optional<int> priority, std::optional<double> weight = {}) {
  TenantConfig tenant;
  tenant.name = name;
  tenant.priority = priority;
  tenant.weight = weight;
  return tenant;
}

TenantConfig other(const std::string& name, auto engine) {
  TenantConfig tenant = native(name, 5);
  tenant.engine = engine;
  return tenant;
}

Fd copy_of(int fd) {
  return Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

YieldSeats plan_on_one(const std::vector<TenantConfig>& tenants) {
  return plan_yield(tenants, std::vector<std::string>(tenants.size(), "cuda:0"));
}

TEST(PlanYield, EachDeviceHasItsSeats) {
  const std::vector tenants{native("a", 5), native("b", 5), native("c", 0), native("d", 5)};
  const std::vector<std::string> devices{"cuda:0", "cuda:1", "cuda:0", "cuda:1"};
  const YieldSeats seats = plan_yield(tenants, devices);
  EXPECT_EQ(seats.of, (std::vector<std::optional<uint32_t>>{0, 0, 1, 1}));
  ASSERT_EQ(seats.warnings.size(), 1u);
  EXPECT_THAT(seats.warnings[0].what, HasSubstr("cuda:1 have one priority"));
}

TEST(PlanYield, OnlyNativeTenantsHaveSeatsAndTheOthersAreTold) {
  const std::vector tenants{native("a", 5), other("server", ServerSpec{}), native("b", 0),
                            other("load", CommandSpec{})};
  const YieldSeats seats = plan_on_one(tenants);
  EXPECT_EQ(seats.of, (std::vector<std::optional<uint32_t>>{0, std::nullopt, 1, std::nullopt}));
  ASSERT_EQ(seats.warnings.size(), 2u);
  EXPECT_THAT(seats.warnings[0].what, HasSubstr("server is engine: server"));
  EXPECT_THAT(seats.warnings[1].what, HasSubstr("load is engine: command"));
}

TEST(PlanYield, OnePriorityIsTold) {
  const std::vector equal{native("a", 3), native("b", 3)}, none{native("a", {}), native("b", 0)},
      two{native("a", {}), native("b", -1)}, weights{native("a", {}, 1), native("b", {})};
  ASSERT_EQ(plan_on_one(equal).warnings.size(), 1u);
  EXPECT_THAT(plan_on_one(equal).warnings[0].what, HasSubstr("none gives way to another"));
  EXPECT_EQ(plan_on_one(none).warnings.size(), 1u);
  EXPECT_TRUE(plan_on_one(two).warnings.empty());
  EXPECT_TRUE(plan_on_one(weights).warnings.empty());
}

TEST(PlanYield, MoreThanThereAreSeatsAreRefused) {
  const std::vector<TenantConfig> many(most_yield_seats + 1, native("a", 1));
  EXPECT_THROW(plan_on_one(many), Error);
}

TEST(YieldTable, IsOneMemoryForAll) {
  const TenantConfig urgent = native("urgent", 5), other = native("other", {});
  const std::vector<const TenantDescription*> seated{&urgent, &other};
  YieldTable driver = YieldTable::create({.quantum_us = 50, .max_wait_ms = 20}, seated);
  const YieldTable worker = YieldTable::attach(copy_of(driver.fd()));
  ASSERT_NE(driver.page(), worker.page());
  EXPECT_EQ(worker.page()->seats, 2u);
  EXPECT_EQ(worker.page()->most_wait_ns, 20'000'000u);
  EXPECT_EQ(worker.page()->by_weight, 0u);
  EXPECT_EQ(worker.page()->seat[0].level, 5);
  EXPECT_EQ(worker.page()->seat[1].level, 0);
  worker.page()->seat[0].in_flight = 2;
  EXPECT_TRUE(gives_way(driver.page()->seat[1], driver.page()->seat[0], false));
  driver.lower(0);
  EXPECT_FALSE(gives_way(worker.page()->seat[1], worker.page()->seat[0], false));
}

TEST(YieldTable, KnowsWeights) {
  const TenantConfig a = native("a", {}, 4), b = native("b", {});
  const std::vector<const TenantDescription*> seated{&a, &b};
  const YieldTable table = YieldTable::create({}, seated);
  EXPECT_EQ(table.page()->by_weight, 1u);
  EXPECT_DOUBLE_EQ(table.page()->seat[0].per_weight, 0.25);
  EXPECT_DOUBLE_EQ(table.page()->seat[1].per_weight, 1);
}

TEST(YieldTable, RefusesOtherMemory) {
  EXPECT_THROW(YieldTable::attach(copy_of(SharedMemory::create("small", 64).fd())), Error);
  const SharedMemory wrong = SharedMemory::create("wrong", sizeof(YieldPage));
  reinterpret_cast<YieldPage*>(wrong.data())->seats = most_yield_seats + 1;
  EXPECT_THROW(YieldTable::attach(copy_of(wrong.fd())), Error);
}

TEST(YieldRecord, CountsFromOneInstantToAnother) {
  const TenantConfig a = native("a", {}, 1);
  const std::vector<const TenantDescription*> seated{&a};
  const YieldTable table = YieldTable::create({}, seated);
  YieldSeat& seat = table.page()->seat[0];
  seat.passed = 100, seat.waits = 3, seat.waited_ns = 5'000'000, seat.longest_wait_ns = 4'000'000, seat.bound_hits = 1;
  seat.device_ns = 1'000'000;
  clear_longest(*table.page(), 0);
  const YieldRecord before = yield_so_far(*table.page(), 0);
  seat.passed = 150, seat.waits = 5, seat.waited_ns = 7'000'000, seat.longest_wait_ns = 1'500'000, seat.bound_hits = 1;
  seat.device_ns = 31'000'000;
  const YieldRecord record = yield_since(before, *table.page(), 0);
  EXPECT_EQ(record.gates, 50);
  EXPECT_EQ(record.waits, 2);
  EXPECT_DOUBLE_EQ(record.waited_ms, 2);
  EXPECT_DOUBLE_EQ(record.longest_wait_ms, 1.5);
  EXPECT_EQ(record.bound_hits, 0);
  ASSERT_TRUE(record.device_ms);
  EXPECT_DOUBLE_EQ(*record.device_ms, 30);
}

}  // namespace
}  // namespace cotenant
