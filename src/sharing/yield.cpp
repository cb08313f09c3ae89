#include "sharing/yield.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <new>
#include <set>

#include "base/error.h"

namespace cotenant {
namespace {

uint64_t load(const uint64_t& word) {
  return std::atomic_ref(const_cast<uint64_t&>(word)).load(std::memory_order_relaxed);
}

std::string why_not(const TenantConfig& tenant) {
  if (tenant.stressor()) return fmt::format("{} loads the device without gates", tenant.name);
  return fmt::format("{} is engine: {}, whose kernels are not ours", tenant.name, tenant.engine_name());
}

}  // namespace

namespace {

// Of the tenants of one device.
struct Seated {
  uint32_t seats = 0;
  bool by_weight = false;
  std::set<int> levels;
};

}  // namespace

YieldSeats plan_yield(std::span<const TenantConfig> tenants, std::span<const std::string> devices) {
  YieldSeats seats;
  std::map<std::string, Seated> seated;
  for (size_t i = 0; i < tenants.size(); ++i) {
    const TenantConfig& tenant = tenants[i];
    Seated& here = seated[devices[i]];
    seats.of.push_back(tenant.native() ? std::optional(here.seats++) : std::nullopt);
    if (tenant.native()) {
      here.by_weight |= tenant.weight.has_value();
      here.levels.insert(tenant.priority.value_or(0));
    } else {
      seats.warnings.push_back({fmt::format("{}: it neither gives way nor is given way to", why_not(tenant)),
                                "read its figures as those of a tenant without sharing.yield"});
    }
  }
  for (const auto& [device, here] : seated) {
    if (here.seats > most_yield_seats)
      throw usage_error("sharing.yield", fmt::format("at most {} tenants of a GPU can give way to each other, found {}",
                                                     most_yield_seats, here.seats));
    if (!here.by_weight && here.levels.size() < 2)
      seats.warnings.push_back(
          {fmt::format("the native tenants of {} have one priority: none gives way to another", device),
           "give the urgent ones a higher priority, or each a weight"});
  }
  return seats;
}

YieldTable YieldTable::create(const Yielding& yield, std::span<const TenantDescription* const> seated) {
  YieldTable table(SharedMemory::create("cotenant-yield", sizeof(YieldPage)));
  YieldPage& page = *new (table.memory_.data()) YieldPage{};
  page.seats = static_cast<uint32_t>(seated.size());
  page.most_wait_ns = static_cast<uint64_t>(yield.max_wait_ms * 1e6);
  for (size_t i = 0; i < seated.size(); ++i) {
    page.by_weight |= seated[i]->weight.has_value() ? 1u : 0u;
    page.seat[i].level = seated[i]->priority.value_or(0);
    page.seat[i].per_weight = 1 / seated[i]->weight.value_or(1);
  }
  return table;
}

YieldTable YieldTable::attach(Fd fd) {
  YieldTable table(SharedMemory::attach(std::move(fd)));
  if (table.memory_.size() < sizeof(YieldPage) || table.page()->seats > most_yield_seats)
    throw internal_error("YieldTable", "the memory is no page of seats");
  return table;
}

void YieldTable::lower(uint32_t seat) {
  std::atomic_ref(page()->seat[seat].in_flight).store(0, std::memory_order_relaxed);
}

YieldRecord yield_so_far(const YieldPage& page, uint32_t seat) {
  const YieldSeat& own = page.seat[seat];
  YieldRecord record{.gates = static_cast<int64_t>(load(own.passed)),
                     .waits = static_cast<int64_t>(load(own.waits)),
                     .waited_ms = static_cast<double>(load(own.waited_ns)) * 1e-6,
                     .longest_wait_ms = static_cast<double>(load(own.longest_wait_ns)) * 1e-6,
                     .bound_hits = static_cast<int64_t>(load(own.bound_hits))};
  if (page.by_weight != 0) record.device_ms = static_cast<double>(load(own.device_ns)) * 1e-6;
  return record;
}

YieldRecord yield_since(const YieldRecord& before, const YieldPage& page, uint32_t seat) {
  YieldRecord record = yield_so_far(page, seat);
  record.gates -= before.gates;
  record.waits -= before.waits;
  record.waited_ms -= before.waited_ms;
  record.bound_hits -= before.bound_hits;
  if (record.device_ms) *record.device_ms -= before.device_ms.value_or(0);
  return record;
}

void clear_longest(YieldPage& page, uint32_t seat) {
  std::atomic_ref(page.seat[seat].longest_wait_ns).store(0, std::memory_order_relaxed);
}

}  // namespace cotenant
