#pragma once

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "driver/experiment.h"
#include "driver/tenant_program.h"
#include "driver/worker_process.h"
#include "sharing/yield.h"

namespace cotenant {

// In this order, except that a tenant can die at any time.
enum class Stage : uint8_t { started, loaded, prepared, warm, running, done, died };

struct TenantState {
  Stage stage = Stage::started;
  size_t worker = 0;      // index of its worker
  size_t ring = 0;        // index of its ring there
  report::Loaded loaded;  // what it has told so far
  report::Prepared prepared;
  report::Warm warm;
  report::Done done;
  report::Failed failed;
  ExitRecord exit;
  std::string last_line;  // that its worker printed
  // Its program has ended well while it was to run on: there is no more of it to be measured.
  std::optional<ExitStatus> ended_early;
};

// The workers and programs of one run, and how far each tenant is. One call, wait(), does everything that takes time.
class Crew {
 public:
  // `environments`: of each tenant's worker, what the sharing mode needs, besides the plan's own. `directory`: of the
  // run's files.
  Crew(const RunPlan& plan, RunContext& context, std::vector<Environment> environments,
       const std::filesystem::path& directory);

  // Programs that wait for requests, or those that go on by themselves (engine: command). They have what their workers
  // have in their environment.
  void start_programs(bool by_themselves);

  void set_phase(const std::string& phase) { phase_ = phase; }  // for the records of deaths
  void tell(const Command& command);                            // to every worker; its tenants are running after Go
  void tell(size_t tenant, Command command);

  // Waits until something has happened or `until_ns`, and notes it.
  void wait(int64_t until_ns);

  const std::vector<TenantState>& tenants() const { return tenants_; }
  EventRing& ring(size_t tenant);
  bool anyone_died() const;
  bool all_over() const;  // done or died
  int64_t longest_pass_ns() const;
  bool anyone_ended_early() const;
  // Its worker, and of which processes its program consists; look() asks.
  std::vector<pid_t> processes_of(size_t tenant) const;
  std::set<pid_t> pids() const;  // of all that have been seen
  void look();
  pid_t pid_of(size_t tenant) const { return workers_[tenants_[tenant].worker].pid(); }

  void request_stop();                                   // of the timed loops
  void give_up(size_t tenant, const std::string& what);  // kills its worker, as `what` tells
  void give_up_all(const std::string& what);
  void end(double patience_s);  // all workers leave within it, or are killed, and then all programs
  void move_logs(const std::filesystem::path& directory);  // of the programs, when their own place is gone
  // Of a program's log that could not be written; empty: it could.
  std::string log_problem(size_t tenant) const;

 private:
  void wait(int64_t until_ns, int signals);  // a descriptor that ends it, too; -1: none
  void hear(size_t worker);
  void note(size_t worker, const Report& report);
  void note_output(size_t worker);
  void note_end(size_t worker);
  void note_done(size_t tenant);
  void note_program(size_t tenant);
  void note_program_of_fault(size_t tenant);
  void mark_program_died(size_t tenant, const ExitStatus& ended);
  void end_programs(double patience_s);
  void start_worker(const std::vector<size_t>& tenants, const std::vector<int>& wires);
  std::vector<int> yield_page(const std::string& device) const;
  Environment environment_of(size_t tenant) const;
  void note_fault(TenantState& tenant, const std::string& what);
  void mark_died(TenantState& tenant, const std::string& what);
  void kill(size_t worker);
  void lower_flag(size_t tenant);  // nobody gives way to it any more

  const RunPlan& plan_;
  RunContext& context_;
  std::string phase_;
  const std::vector<Environment> environments_;
  std::map<std::string, YieldTable> yield_;               // by device, where its tenants give way to each other
  std::vector<std::unique_ptr<TenantProgram>> programs_;  // per tenant; null: it has none
  std::deque<WorkerProcess> workers_;
  std::vector<bool> over_;  // per worker: its end is noted
  bool leaving_ = false;    // all have been told to leave
  std::vector<TenantState> tenants_;
};

}  // namespace cotenant
