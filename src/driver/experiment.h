#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "driver/plan.h"
#include "process/keeper.h"
#include "process/signals.h"
#include "results/record.h"

namespace cotenant {

// What can be seen of a run while it goes on.
struct LiveTenant {
  std::string name, stage;  // "loading", "preparing", "warming up", "ready", "running", "done", "died"
  int64_t completed = 0;
  int64_t num_iters = 0;
  std::optional<double> recent_ms;     // mean latency of the last moments
  std::optional<double> tokens_per_s;  // so far
};

struct LiveRun {
  std::string name, phase;  // phase: "load", "prepare", "warm up", "run", "stop"
  double elapsed_s = 0;     // since T0 in "run", else since the start
  double min_duration_s = 0;
  std::vector<LiveTenant> tenants;
};

// What runs of one command have in common.
struct RunContext {
  Keeper& keeper;
  SignalWatch& signals;
  std::string executable;                                                  // that has the `worker` subcommand
  std::string command;                                                     // the command line, for the record
  bool strict = false;                                                     // every warning makes a run invalid
  std::function<void(const LiveRun&)> show;                                // several times a second; may be empty
  std::function<void(const std::string& tenant, const std::string&)> log;  // a line that a worker printed; may be empty
  std::function<void(const std::string&)> notice = {};                     // a line for people; may be empty
  std::optional<double> deadline_s;  // of each phase but the run, instead of the computed ones
};

// Runs a plan and writes its files into `directory`, experiment.json last. Deaths, deadlines and signals do not throw:
// the others are stopped, what was measured is written, and the record tells. Throws when files cannot be written; no
// process is left then either.
ExperimentRecord run_experiment(const RunPlan& plan, const std::filesystem::path& directory, RunContext& context);

// The exit code that a record comes to.
ExitCode exit_code_of(const ExperimentRecord& record);

// Whether a run that ended so is whole: valid, invalid, or valid with a threshold that was missed.
bool is_complete(ExitCode code);

}  // namespace cotenant
