#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "process/event_ring.h"
#include "results/event.h"
#include "results/tenant_files.h"
#include "results/window.h"

namespace cotenant {

// Divided, not multiplied by 1e-9: the nearest double has at most nine digits behind the point when it is written.
double seconds_between(int64_t start_ns, int64_t end_ns);

// An event of a ring as a line of events.jsonl.
Iteration to_iteration(const EventSlot& event, const std::vector<int64_t>& token_ns, int64_t t0_ns,
                       const TenantSpec& tenant);

// Carries one tenant's events from its ring into its files.
class Recorder {
 public:
  // `store`: of the run.
  Recorder(const std::filesystem::path& experiment, const SettingsRecord& settings, const TenantRecord& tenant,
           std::shared_ptr<IterationStore> store);

  void drain(EventRing& ring, int64_t t0_ns);  // all that is in it now
  TenantFiles& files() { return files_; }
  const IterationLog& iterations() const { return files_.iterations(); }

  const Tally& tally() const { return tally_; }  // of all iterations
  std::optional<double> first_start_s() const { return first_start_s_; }
  std::optional<double> recent_ms() const;  // mean latency of the last few requests
  double tokens_per_s() const;              // since T0

 private:
  const TenantSpec tenant_;
  TenantFiles files_;
  std::vector<int64_t> token_ns_;  // of the event at hand
  std::deque<double> recent_ms_;
  Tally tally_;
  std::optional<double> first_start_s_;
  double last_end_s_ = 0;
};

}  // namespace cotenant
