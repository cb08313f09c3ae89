#include "worker/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "engine/native/devices.h"
#include "process/channel.h"
#include "worker/kernel_profile.h"
#include "worker/tenant.h"

namespace cotenant {
namespace {

constexpr int kSocket = 3, kFirstRing = 4;

Fd inherited(int number) {
  ::fcntl(number, F_SETFD, FD_CLOEXEC);  // not for children of ours
  return Fd(number);
}

// The tenants' threads share one socket.
class Outbox {
 public:
  explicit Outbox(Channel& channel) : channel_(channel) {}

  void send(const Report& report) {
    const std::lock_guard lock(mutex_);
    channel_.send(to_json(report));
  }

 private:
  Channel& channel_;
  std::mutex mutex_;
};

// Of tenants with green contexts: all parts come from one split of the device.
std::vector<std::shared_ptr<const DeviceShare>> split_among(const std::vector<TenantOrder>& orders) {
  std::vector<int> groups;
  for (const TenantOrder& order : orders) groups.push_back(order.sm_groups);
  if (std::ranges::count(groups, 0) > 0) return std::vector<std::shared_ptr<const DeviceShare>>(orders.size());
  return split_device(orders.front().device, groups);
}

// A mapping for each tenant: the device reads each at an address of its own.
std::optional<YieldTable> yield_of(const TenantOrder& order, const Fd& page) {
  if (!order.yield_seat) return std::nullopt;
  const int copy = ::fcntl(page.get(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw system_error("worker", "fcntl(F_DUPFD_CLOEXEC)");
  return YieldTable::attach(Fd(copy));
}

// Those that could be made are in `tenants` also when it throws.
void make_tenants(const std::vector<TenantOrder>& orders, Outbox& outbox,
                  std::vector<std::unique_ptr<Tenant>>& tenants) {
  const auto shares = split_among(orders);
  const bool yields = std::ranges::any_of(orders, [](const auto& order) { return order.yield_seat.has_value(); });
  const Fd page = yields ? inherited(kFirstRing + static_cast<int>(orders.size())) : Fd();
  for (const TenantOrder& tenant : orders) {
    const int ring = kFirstRing + static_cast<int>(tenants.size());
    const int wires = kFirstRing + static_cast<int>(orders.size());  // the only tenant's
    tenants.push_back(
        std::make_unique<Tenant>(tenant, shares[tenants.size()], EventRing::attach(inherited(ring)),
                                 tenant.is_wired() ? Wires{inherited(wires), inherited(wires + 1)} : Wires{},
                                 yield_of(tenant, page), [&outbox](const Report& report) { outbox.send(report); }));
  }
}

// The driver is gone: nobody reads what we measure, and no thread need be waited for.
[[noreturn]] void leave_at_once() {
  ::_exit(static_cast<int>(ExitCode::internal));
}

Command receive(Channel& channel) {
  const auto line = channel.receive();
  if (!line) leave_at_once();
  return command_from_json(*line);
}

std::vector<uint32_t> thread_ids(const std::vector<std::unique_ptr<Tenant>>& tenants) {
  std::vector<uint32_t> ids;
  for (const auto& tenant : tenants) ids.push_back(tenant->thread_id());
  return ids;
}

void pass_on(const Command& command, const std::vector<std::unique_ptr<Tenant>>& tenants) {
  for (const auto& tenant : tenants)
    if (command.tenant.empty() || command.tenant == tenant->name()) tenant->post(command);
}

// No tenant can do what its order says.
int refuse(const std::vector<TenantOrder>& orders, std::string why, Channel& channel, Outbox& outbox) {
  why = one_line(std::move(why));
  for (const TenantOrder& tenant : orders) outbox.send({tenant.name, report::Failed{why}});
  while (!receive(channel).is<command::Exit>()) continue;
  return static_cast<int>(ExitCode::internal);
}

}  // namespace

int worker_main() {
  ::prctl(PR_SET_NAME, "cotenant-worker");
  ::signal(SIGPIPE, SIG_IGN);          // a program that has ended is told by its pipe
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should the keeper be gone, too; sent when the driver's main thread ends
  Channel channel(inherited(kSocket));
  Outbox outbox(channel);
  const Command first = receive(channel);
  const auto* order = std::get_if<command::Order>(&first.what);
  if (order == nullptr) throw internal_error("worker", "its first command is no order");
  std::optional<KernelProfile> profile;
  std::vector<std::unique_ptr<Tenant>> tenants;
  try {
    profile.emplace(order->tenants);  // before anything calls CUDA
    make_tenants(order->tenants, outbox, tenants);
  } catch (const std::exception& error) {
    pass_on({"", command::Exit{}}, tenants);  // to those that are there already
    return refuse(order->tenants, error.what(), channel, outbox);
  }
  Command command;
  do {
    command = receive(channel);
    if (const auto* go = std::get_if<command::Go>(&command.what)) profile->begin(go->t0_ns);
    pass_on(command, tenants);
  } while (!command.is<command::Exit>());
  const std::vector<uint32_t> threads = thread_ids(tenants);
  const bool failed = std::ranges::any_of(tenants, [](const auto& tenant) { return tenant->failed(); });
  tenants.clear();  // waits until all have ended
  profile->end(threads);
  return static_cast<int>(failed ? ExitCode::internal : ExitCode::valid);
}

}  // namespace cotenant
