#include "driver/crew.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/overloaded.h"

namespace cotenant {
namespace {

constexpr int64_t kReapNs = 2'000'000'000;  // between the end of a worker's socket and that of its process

}  // namespace

Crew::Crew(const RunPlan& plan, RunContext& context, const Environment& environment)
    : plan_(plan), context_(context), tenants_(plan.tenants.size()) {
  std::vector<TenantOrder> orders;
  const auto start = [&](const Environment& own) {
    Environment all = plan.environment;
    all.insert(all.end(), environment.begin(), environment.end());
    all.insert(all.end(), own.begin(), own.end());
    workers_.emplace_back(context.executable, orders, all, context.keeper);
    orders.clear();
  };
  for (size_t i = 0; i < plan.tenants.size(); ++i) {
    tenants_[i].worker = workers_.size();
    tenants_[i].ring = orders.size();
    orders.push_back(plan.tenants[i].order);
    if (!plan.one_worker) start(plan.tenants[i].environment);
  }
  if (plan.one_worker) start({});
  over_.resize(workers_.size());
}

void Crew::tell(const Command& command) {
  for (WorkerProcess& worker : workers_) worker.send(command);
  if (!command.is<command::Go>()) return;
  for (TenantState& tenant : tenants_)
    if (tenant.stage == Stage::warm) tenant.stage = Stage::running;
}

void Crew::tell(size_t tenant, Command command) {
  command.tenant = plan_.tenants[tenant].order.name;
  workers_[tenants_[tenant].worker].send(command);
}

void Crew::wait(int64_t until_ns) {
  std::vector<pollfd> descriptors{{context_.signals.fd(), POLLIN, 0}};
  for (size_t i = 0; i < workers_.size(); ++i) {
    descriptors.push_back({over_[i] ? -1 : workers_[i].socket(), POLLIN, 0});
    descriptors.push_back({over_[i] ? -1 : workers_[i].output(), POLLIN, 0});
  }
  const int64_t left_ns = std::max<int64_t>(0, until_ns - now_ns());
  const timespec timeout{static_cast<time_t>(left_ns / 1'000'000'000), static_cast<long>(left_ns % 1'000'000'000)};
  if (::ppoll(descriptors.data(), descriptors.size(), &timeout, nullptr) < 0 && errno != EINTR)
    throw system_error("driver", "ppoll");
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (descriptors[2 + 2 * i].revents != 0) note_output(i);
    if (descriptors[1 + 2 * i].revents == 0) continue;
    for (const Report& report : workers_[i].receive()) note(report);
    if (workers_[i].at_end()) note_end(i);
  }
}

EventRing& Crew::ring(size_t tenant) {
  return workers_[tenants_[tenant].worker].ring(tenants_[tenant].ring);
}

bool Crew::anyone_died() const {
  return std::ranges::any_of(tenants_, [](const TenantState& tenant) { return tenant.stage == Stage::died; });
}

bool Crew::all_over() const {
  return std::ranges::all_of(tenants_, [](const TenantState& tenant) { return tenant.stage >= Stage::done; });
}

int64_t Crew::longest_pass_ns() const {
  int64_t longest_ns = 0;
  for (const TenantState& tenant : tenants_) longest_ns = std::max(longest_ns, tenant.warm.longest_pass_ns);
  return longest_ns;
}

std::set<pid_t> Crew::pids() const {
  std::set<pid_t> pids;
  for (const WorkerProcess& worker : workers_) pids.insert(worker.pid());
  return pids;
}

void Crew::request_stop() {
  for (size_t i = 0; i < tenants_.size(); ++i) ring(i).request_stop();
}

void Crew::give_up(size_t tenant, const std::string& what) {
  const size_t worker = tenants_[tenant].worker;
  if (over_[worker]) return;
  for (TenantState& state : tenants_)
    if (state.worker == worker && state.stage < Stage::done)
      mark_died(state, &state == &tenants_[tenant]
                           ? what
                           : "ended with its process, because of " + plan_.tenants[tenant].order.name + ": " + what);
  workers_[worker].end(now_ns());
  over_[worker] = true;
}

void Crew::give_up_all(const std::string& what) {
  for (size_t i = 0; i < tenants_.size(); ++i) give_up(i, what);
}

void Crew::end(int64_t until_ns) {
  tell({"", command::Exit{}});
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (over_[i]) continue;
    const ExitStatus status = workers_[i].end(until_ns);
    note_output(i);
    over_[i] = true;
    for (TenantState& tenant : tenants_)
      if (tenant.worker == i && tenant.stage != Stage::died) {
        tenant.exit.code = status.code;
        tenant.exit.signal = status.signal;
        tenant.exit.what = status.clean() ? "" : status.text();
        tenant.exit.last_error = status.clean() ? "" : tenant.last_line;
      }
  }
}

void Crew::note(const Report& report) {
  const auto planned =
      std::ranges::find_if(plan_.tenants, [&](const TenantPlan& tenant) { return tenant.order.name == report.tenant; });
  if (planned == plan_.tenants.end())
    throw internal_error("worker", "a report of an unknown tenant \"" + report.tenant + "\"");
  TenantState& tenant = tenants_[static_cast<size_t>(planned - plan_.tenants.begin())];
  if (tenant.stage == Stage::died) return;
  const auto reach = [&](Stage stage, auto& told, const auto& what) {
    tenant.stage = stage;
    told = what;
  };
  std::visit(Overloaded{[&](const report::Loaded& what) { reach(Stage::loaded, tenant.loaded, what); },
                        [&](const report::Prepared& what) { reach(Stage::prepared, tenant.prepared, what); },
                        [&](const report::Warm& what) { reach(Stage::warm, tenant.warm, what); },
                        [&](const report::Done& what) { reach(Stage::done, tenant.done, what); },
                        [&](const report::Failed& what) {
                          tenant.failed = what;
                          mark_died(tenant, "failed");
                        }},
             report.what);
}

void Crew::note_output(size_t worker) {
  if (workers_[worker].output() < 0) return;
  for (const std::string& line : workers_[worker].read_output()) {
    bool shown = false;  // a line of a worker with several tenants is shown once
    for (size_t i = 0; i < tenants_.size(); ++i) {
      if (tenants_[i].worker != worker) continue;
      if (!line.empty()) tenants_[i].last_line = line;
      if (context_.log && !std::exchange(shown, true)) context_.log(plan_.tenants[i].order.name, line);
    }
  }
}

void Crew::note_end(size_t worker) {
  const ExitStatus status = workers_[worker].end(now_ns() + kReapNs);
  note_output(worker);
  over_[worker] = true;
  for (TenantState& tenant : tenants_) {
    if (tenant.worker != worker || tenant.stage >= Stage::done) continue;
    tenant.exit.code = status.code;
    tenant.exit.signal = status.signal;
    mark_died(tenant, status.text());
  }
}

void Crew::mark_died(TenantState& tenant, const std::string& what) {
  tenant.stage = Stage::died;
  tenant.exit.died = true;
  tenant.exit.phase = phase_;
  tenant.exit.what = what;
  tenant.exit.last_error = tenant.failed.error.empty() ? tenant.last_line : tenant.failed.error;
}

}  // namespace cotenant
