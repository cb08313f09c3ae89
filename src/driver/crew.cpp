#include "driver/crew.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/overloaded.h"
#include "base/printable.h"

namespace cotenant {
namespace {

constexpr size_t kLastLine = 500;        // bytes of the last line printed that a record keeps
constexpr int64_t kReapS = 2;            // between the end of a worker's socket and that of its process
constexpr double kProgramPatienceS = 5;  // of a program that was asked to end
constexpr int64_t kEndNs = 500'000'000;  // between the end of a program's output and its own
constexpr int64_t kLookAgainNs = 10'000'000;

std::vector<size_t> tenants_on(const RunPlan& plan, const std::string& device) {
  std::vector<size_t> tenants;
  for (size_t i = 0; i < plan.tenants.size(); ++i)
    if (plan.tenants[i].record.device == device) tenants.push_back(i);
  return tenants;
}

std::map<std::string, YieldTable> make_yield_tables(const RunPlan& plan) {
  std::map<std::string, YieldTable> tables;
  if (!plan.settings.yield) return tables;
  for (const DeviceRecord& device : plan.devices) {
    std::vector<const TenantDescription*> seated;
    for (const size_t i : tenants_on(plan, device.device))
      if (plan.tenants[i].order.yield_seat) seated.push_back(&plan.tenants[i].order);
    if (!seated.empty()) tables.emplace(device.device, YieldTable::create(*plan.settings.yield, seated));
  }
  return tables;
}

}  // namespace

Crew::Crew(const RunPlan& plan, RunContext& context, std::vector<Environment> environments,
           const std::filesystem::path& directory)
    : plan_(plan),
      context_(context),
      environments_(std::move(environments)),
      yield_(make_yield_tables(plan)),
      programs_(plan.tenants.size()),
      tenants_(plan.tenants.size()) {
  if (plan.one_worker)
    for (const DeviceRecord& device : plan.devices)
      start_worker(tenants_on(plan, device.device), yield_page(device.device));
  for (size_t i = 0; i < plan.tenants.size() && !plan.one_worker; ++i) {
    const TenantPlan& tenant = plan.tenants[i];
    if (tenant.program)
      programs_[i] = std::make_unique<TenantProgram>(tenant, directory / tenant.record.directory / "program.log");
    start_worker({i}, tenant.program ? programs_[i]->wires() : yield_page(tenant.record.device));
    if (tenant.program) programs_[i]->close_wires();
  }
  over_.resize(workers_.size());
}

// What a worker of this device has behind its rings, to give way to others.
std::vector<int> Crew::yield_page(const std::string& device) const {
  const auto found = yield_.find(device);
  return found == yield_.end() ? std::vector<int>() : std::vector{found->second.fd()};
}

// Several have one environment.
void Crew::start_worker(const std::vector<size_t>& tenants, const std::vector<int>& wires) {
  std::vector<TenantOrder> orders;
  for (const size_t tenant : tenants) {
    tenants_[tenant].worker = workers_.size();
    tenants_[tenant].ring = orders.size();
    orders.push_back(plan_.tenants[tenant].order);
  }
  workers_.emplace_back(context_.executable, orders, plan_.tenants.size(), wires, environment_of(tenants.front()),
                        context_.keeper);
}

// What all workers have, what the sharing mode wants, and the tenant's own.
Environment Crew::environment_of(size_t tenant) const {
  Environment all = plan_.environment;
  for (const Environment& more : {environments_[tenant], plan_.tenants[tenant].environment})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

void Crew::start_programs(bool by_themselves) {
  for (size_t i = 0; i < programs_.size(); ++i) {
    const TenantPlan& tenant = plan_.tenants[i];
    if (programs_[i] && (tenant.order.command() != nullptr) == by_themselves)
      programs_[i]->start(context_.executable, environment_of(i), context_.keeper);
  }
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
  wait(until_ns, context_.signals.fd());
}

void Crew::wait(int64_t until_ns, int signals) {
  std::vector<pollfd> descriptors{{signals, POLLIN, 0}};
  for (size_t i = 0; i < workers_.size(); ++i) {
    descriptors.push_back({over_[i] ? -1 : workers_[i].socket(), POLLIN, 0});
    descriptors.push_back({over_[i] ? -1 : workers_[i].output(), POLLIN, 0});
  }
  for (size_t i = 0; i < programs_.size(); ++i)
    if (programs_[i]) descriptors.push_back({programs_[i]->fd(), POLLIN, 0});
  const int64_t left_ns = std::max<int64_t>(0, until_ns - now_ns());
  const timespec timeout{static_cast<time_t>(left_ns / 1'000'000'000), static_cast<long>(left_ns % 1'000'000'000)};
  if (::ppoll(descriptors.data(), descriptors.size(), &timeout, nullptr) < 0 && errno != EINTR)
    throw system_error("driver", "ppoll");
  for (size_t i = 0; i < workers_.size(); ++i) {
    if (descriptors[2 + 2 * i].revents != 0) note_output(i);
    if (descriptors[1 + 2 * i].revents != 0) hear(i);
  }
  for (size_t i = 0; i < programs_.size(); ++i)
    if (programs_[i]) note_program(i);
}

// Whoever says what makes no sense has lost control of its memory, and is trusted with nothing more.
void Crew::hear(size_t worker) {
  try {
    for (const Report& report : workers_[worker].receive()) note(worker, report);
    if (workers_[worker].at_end()) note_end(worker);
  } catch (const Error& error) {
    for (TenantState& tenant : tenants_)
      if (tenant.worker == worker) note_fault(tenant, "sent what is no report: " + error.message());
    kill(worker);
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

bool Crew::anyone_ended_early() const {
  return std::ranges::any_of(tenants_, [](const TenantState& tenant) { return tenant.ended_early.has_value(); });
}

std::vector<pid_t> Crew::processes_of(size_t tenant) const {
  std::vector<pid_t> pids{pid_of(tenant)};
  if (programs_[tenant]) pids.insert(pids.end(), programs_[tenant]->now().begin(), programs_[tenant]->now().end());
  return pids;
}

std::set<pid_t> Crew::pids() const {
  std::set<pid_t> pids;
  for (const WorkerProcess& worker : workers_) pids.insert(worker.pid());
  for (const auto& program : programs_)
    if (program) pids.insert(program->ever().begin(), program->ever().end());
  return pids;
}

void Crew::look() {
  for (const auto& program : programs_)
    if (program) program->look();
}

void Crew::move_logs(const std::filesystem::path& directory) {
  for (size_t i = 0; i < programs_.size(); ++i)
    if (programs_[i]) programs_[i]->log().move_to(directory / plan_.tenants[i].record.directory / "program.log");
}

std::string Crew::log_problem(size_t tenant) const {
  return programs_[tenant] ? programs_[tenant]->log().problem() : "";
}

void Crew::request_stop() {
  for (size_t i = 0; i < tenants_.size(); ++i) ring(i).request_stop();
}

void Crew::give_up(size_t tenant, const std::string& what) {
  const size_t worker = tenants_[tenant].worker;
  for (TenantState& state : tenants_)
    if (state.worker == worker && &state != &tenants_[tenant])
      note_fault(state, "ended with its process, because of " + plan_.tenants[tenant].order.name + ": " + what);
  if (tenants_[tenant].stage != Stage::died) mark_died(tenants_[tenant], what);
  kill(worker);
}

void Crew::kill(size_t worker) {
  if (!over_[worker]) workers_[worker].end(now_ns());
  over_[worker] = true;
}

void Crew::give_up_all(const std::string& what) {
  for (size_t i = 0; i < tenants_.size(); ++i)
    if (tenants_[i].stage < Stage::done) give_up(i, what);
}

// Goes on reading what they print: a worker that prints much would wait for us. Signals are heard afterwards.
void Crew::end(double patience_s) {
  const int64_t until_ns = now_ns() + s_to_ns(patience_s);
  leaving_ = true;
  tell({"", command::Exit{}});
  while (now_ns() < until_ns && std::ranges::count(over_, false) > 0)
    wait(std::min(until_ns, now_ns() + kLookAgainNs), -1);
  for (TenantState& tenant : tenants_)
    if (!over_[tenant.worker]) note_fault(tenant, fmt::format("hung: did not leave within {:g} s", patience_s));
  for (size_t i = 0; i < workers_.size(); ++i) kill(i);
  end_programs(std::min(patience_s, kProgramPatienceS));
}

// Those that were told to stop have ended, or do so now; the others are told.
void Crew::end_programs(double patience_s) {
  const auto wait_for_all = [&](double seconds) {
    for (const int64_t until_ns = now_ns() + s_to_ns(seconds);;) {
      bool all = true;
      for (const auto& program : programs_) {
        if (!program || !program->is_started()) continue;
        program->read_output();
        all = program->status().has_value() && all;
      }
      if (all || now_ns() >= until_ns) return;
      sleep_until_ns(now_ns() + kLookAgainNs);
    }
  };
  for (size_t i = 0; i < programs_.size(); ++i)
    if (programs_[i] && !plan_.tenants[i].order.external()) programs_[i]->end(patience_s);
  wait_for_all(patience_s);
  for (const auto& program : programs_)
    if (program) program->end(patience_s);
  wait_for_all(patience_s + kProgramPatienceS);
  for (const auto& program : programs_)
    if (program) program->kill();
}

// Of a command whose iterations are over by `corun: fixed`, the end is no loss.
void Crew::note_program(size_t tenant) {
  TenantProgram& program = *programs_[tenant];
  TenantState& state = tenants_[tenant];
  program.read_output();
  const auto ended = program.status();
  if (!ended || leaving_ || program.was_told_to_end() || state.stage == Stage::died || state.ended_early) return;
  const TenantOrder& order = plan_.tenants[tenant].order;
  const bool has_run = state.stage == Stage::running || state.stage == Stage::done;
  if (ended->clean() && order.command() && has_run) {
    if (state.stage == Stage::running || order.is_load_only()) state.ended_early = ended;
    return;
  }
  if (ended->clean() && order.is_wired() && !order.command()) return;  // its worker tells at what it missed it
  if (state.stage != Stage::done || order.is_load_only()) return mark_program_died(tenant, *ended);
  note_fault(state, fmt::format("its program ended: {}", ended->text()));
}

void Crew::note(size_t worker, const Report& report) {
  const auto planned =
      std::ranges::find_if(plan_.tenants, [&](const TenantPlan& tenant) { return tenant.order.name == report.tenant; });
  if (planned == plan_.tenants.end() || tenants_[static_cast<size_t>(planned - plan_.tenants.begin())].worker != worker)
    throw internal_error("worker", "a report of an unknown tenant \"" + report.tenant + "\"");
  const auto index = static_cast<size_t>(planned - plan_.tenants.begin());
  TenantState& tenant = tenants_[index];
  if (tenant.stage == Stage::died) return;
  const auto reach = [&](Stage stage, auto& told, const auto& what) {
    if (static_cast<int>(stage) != static_cast<int>(tenant.stage) + 1)
      throw internal_error("worker", "a report that is not its turn");
    tenant.stage = stage;
    told = what;
  };
  std::visit(Overloaded{[&](const report::Loaded& what) { reach(Stage::loaded, tenant.loaded, what); },
                        [&](const report::Prepared& what) { reach(Stage::prepared, tenant.prepared, what); },
                        [&](const report::Warm& what) { reach(Stage::warm, tenant.warm, what); },
                        [&](const report::Done& what) {
                          reach(Stage::done, tenant.done, what);
                          note_done(index);
                        },
                        [&](const report::Failed& what) {
                          note_program_of_fault(index);
                          tenant.failed = what;
                          note_fault(tenant, "failed");
                        },
                        [&](const report::Notice& what) {
                          tenant.last_line = what.text.substr(0, kLastLine);
                          if (context_.notice)
                            context_.notice(fmt::format("{}: {}", report.tenant, printable(what.text)));
                        }},
             report.what);
}

// A command that is seen no more. Where all tenants do a fixed number of iterations, its own are over, and it is to
// load the device no longer; else its output ended by itself, most likely because it did.
void Crew::note_done(size_t tenant) {
  const TenantOrder& order = plan_.tenants[tenant].order;
  if (!order.command() || order.is_load_only() || ring(tenant).stop_requested()) return;
  TenantProgram& program = *programs_[tenant];
  if (order.fixed_iters > 0 && tenants_[tenant].done.requests >= order.fixed_iters)
    return program.end(kProgramPatienceS);
  const auto ended = program.wait_until(now_ns() + kEndNs);
  if (ended && !ended->clean())
    mark_program_died(tenant, *ended);
  else
    tenants_[tenant].ended_early = ended.value_or(ExitStatus{});
}

void Crew::mark_program_died(size_t tenant, const ExitStatus& ended) {
  if (const std::string& line = programs_[tenant]->last_line(); !line.empty()) tenants_[tenant].last_line = line;
  mark_died(tenants_[tenant], fmt::format("its program ended: {}", ended.text()));
}

// A worker whose program ends fails, too: what ended first says why.
void Crew::note_program_of_fault(size_t tenant) {
  if (!programs_[tenant] || !programs_[tenant]->is_started()) return;
  programs_[tenant]->wait_until(now_ns() + kEndNs);
  note_program(tenant);
}

void Crew::note_output(size_t worker) {
  if (workers_[worker].output() < 0) return;
  for (const std::string& line : workers_[worker].read_output()) {
    bool shown = false;  // a line of a worker with several tenants is shown once
    for (size_t i = 0; i < tenants_.size(); ++i) {
      if (tenants_[i].worker != worker) continue;
      if (!line.empty()) tenants_[i].last_line = line.substr(0, kLastLine);
      if (context_.log && !std::exchange(shown, true)) context_.log(plan_.tenants[i].order.name, line);
    }
  }
}

void Crew::note_end(size_t worker) {
  const auto status = workers_[worker].end(now_ns() + s_to_ns(kReapS));
  note_output(worker);
  over_[worker] = true;
  for (size_t i = 0; i < tenants_.size(); ++i)
    if (tenants_[i].worker == worker) lower_flag(i);
  for (TenantState& tenant : tenants_) {
    if (tenant.worker != worker || tenant.stage == Stage::died) continue;
    if (status) tenant.exit.code = status->code, tenant.exit.signal = status->signal;
    if (!status)
      note_fault(tenant, "closed its channel and did not end");
    else if (!status->clean() || !leaving_)
      note_fault(tenant, status->text());
  }
}

// Of a tenant that has lost its worker. Once it has been told to leave, or has its run behind it, none of its samples
// is lost, but what it has to write at its end may be.
void Crew::note_fault(TenantState& tenant, const std::string& what) {
  if (tenant.stage == Stage::died) return;
  if (!leaving_ && tenant.stage != Stage::done) return mark_died(tenant, what);
  tenant.exit.what = what;
  tenant.exit.last_error = tenant.failed.error.empty() ? tenant.last_line : tenant.failed.error;
}

void Crew::lower_flag(size_t tenant) {
  const TenantPlan& plan = plan_.tenants[tenant];
  if (const auto seat = plan.order.yield_seat) yield_.at(plan.record.device).lower(*seat);
}

void Crew::mark_died(TenantState& tenant, const std::string& what) {
  lower_flag(static_cast<size_t>(&tenant - tenants_.data()));
  tenant.stage = Stage::died;
  tenant.exit.died = true;
  tenant.exit.phase = phase_;
  tenant.exit.what = what;
  tenant.exit.last_error = tenant.failed.error.empty() ? tenant.last_line : tenant.failed.error;
}

}  // namespace cotenant
