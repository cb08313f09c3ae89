#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "engine/yield.h"
#include "process/shared_memory.h"
#include "results/record.h"

// The page by which tenants of one device give way to each other (engine/yield.h): made by the driver, and mapped by
// every tenant's process and by the device.
namespace cotenant {

// The seats of a run: one for each native tenant, those of one device in their order; the others have none.
struct YieldSeats {
  std::vector<std::optional<uint32_t>> of;  // per tenant
  std::vector<WarningRecord> warnings;      // who does not yield, and why
};
YieldSeats plan_yield(std::span<const TenantConfig> tenants, std::span<const std::string> devices);

class YieldTable {
 public:
  // Of the tenants of one device that have a seat, in order.
  static YieldTable create(const Yielding& yield, std::span<const TenantDescription* const> seated);
  // The same page, at another address. Throws internal_error when the memory is none.
  static YieldTable attach(Fd fd);

  int fd() const { return memory_.fd(); }
  YieldPage* page() const { return reinterpret_cast<YieldPage*>(memory_.data()); }
  // Its tenant has gone: nobody waits for it any more.
  void lower(uint32_t seat);

 private:
  explicit YieldTable(SharedMemory memory) : memory_(std::move(memory)) {}

  SharedMemory memory_;
};

// A tenant's own counts. Those of a run are the difference of two; the longest wait counts from clear_longest() on.
YieldRecord yield_so_far(const YieldPage& page, uint32_t seat);
YieldRecord yield_since(const YieldRecord& before, const YieldPage& page, uint32_t seat);
void clear_longest(YieldPage& page, uint32_t seat);

}  // namespace cotenant
