#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "driver/experiment.h"
#include "driver/worker_process.h"

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
};

// The workers of one run, and how far each tenant is. One call, wait(), does everything that takes time.
class Crew {
 public:
  // `environment` of every worker: what the sharing mode needs, besides the plan's own.
  Crew(const RunPlan& plan, RunContext& context, const Environment& environment);

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
  std::set<pid_t> pids() const;
  pid_t pid_of(size_t tenant) const { return workers_[tenants_[tenant].worker].pid(); }

  void request_stop();                                   // of the timed loops
  void give_up(size_t tenant, const std::string& what);  // kills its worker, as `what` tells
  void give_up_all(const std::string& what);
  void end(double patience_s);  // all workers leave within it, or are killed

 private:
  void wait(int64_t until_ns, int signals);  // a descriptor that ends it, too; -1: none
  void hear(size_t worker);
  void note(size_t worker, const Report& report);
  void note_output(size_t worker);
  void note_end(size_t worker);
  void note_fault(TenantState& tenant, const std::string& what);
  void mark_died(TenantState& tenant, const std::string& what);
  void kill(size_t worker);

  const RunPlan& plan_;
  RunContext& context_;
  std::string phase_;
  std::deque<WorkerProcess> workers_;
  std::vector<bool> over_;  // per worker: its end is noted
  bool leaving_ = false;    // all have been told to leave
  std::vector<TenantState> tenants_;
};

}  // namespace cotenant
