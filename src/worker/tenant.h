#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/command/watched_program.h"
#include "engine/engine.h"
#include "process/event_ring.h"
#include "sharing/yield.h"
#include "worker/in_flight.h"
#include "worker/messages.h"
#include "worker/watch.h"
#include "workload/workload.h"

namespace cotenant {

class DeviceShare;
struct EngineOptions;
struct Model;

// The ends of pipes from and to a tenant's program, or from it and to its log; none: it has none.
struct Wires {
  Fd from{}, to{};
};

// One tenant's life, on a thread of its own: load, prepare, warm up, wait for T0, run. Every step is a command, and
// ends in a report; what goes wrong is reported as "failed", and ends the tenant.
class Tenant {
 public:
  // `share`: the part of the device it is confined to; null: all of it. `report` is called from this tenant's thread.
  // `yield`: where it gives way to others, and they to it; none: it does not.
  Tenant(TenantOrder order, std::shared_ptr<const DeviceShare> share, EventRing ring, Wires wires,
         std::optional<YieldTable> yield, std::function<void(const Report&)> report);
  Tenant(const Tenant&) = delete;
  ~Tenant();  // waits until the thread has ended: after "exit", or a failure

  const std::string& name() const { return order_.name; }
  void post(const Command& command);
  bool failed() const { return failed_; }
  uint32_t thread_id() const { return thread_id_; }  // gettid; 0: not started

 private:
  void live();
  Command next_command();
  bool command_within(int64_t patience_ns);
  void obey(const Command& command);
  template <class What>
  void tell(What what) const {
    report_({order_.name, std::move(what)});
  }
  EngineOptions options() const;
  void load();
  void prepare();
  void warm();
  void run();
  Watcher watcher();
  void prepare_command();
  void warm_command();
  void run_command();
  int64_t one_pass();  // unrecorded; its duration in ns
  int64_t warm_up();   // the longest pass in ns

  const TenantOrder order_;
  const std::shared_ptr<const DeviceShare> share_;
  EventRing ring_;
  Wires wires_;
  std::optional<YieldTable> yield_;
  const std::function<void(const Report&)> report_;

  std::shared_ptr<const Model> model_;
  std::unique_ptr<Engine> engine_;         // null: it is a command
  std::optional<WatchedProgram> watched_;  // of a command whose iterations are seen
  std::vector<int32_t> input_;
  WorkloadSpec workload_;
  std::optional<InFlight> in_flight_;
  int64_t longest_pass_ns_ = 0;
  int64_t warm_up_iter_ = 0;  // the last request of the warm-up: they count down, those of the workload up

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Command> commands_;
  std::atomic<int64_t> t0_ns_{0};  // 0: not yet known
  std::atomic<bool> failed_{false}, leaving_{false};
  std::atomic<uint32_t> thread_id_{0};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace cotenant
