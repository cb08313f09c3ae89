#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "driver/experiment.h"
#include "process/signals.h"
#include "results/place.h"

// Everything one `cotenant run` does: several experiments, each with baselines and repeats, into directories that
// change only when a run is complete.
namespace cotenant {

struct SeriesOptions {
  bool baselines = false;      // each distinct tenant alone, too, also where the configuration does not ask for it
  int repeats = 1;             // of the whole experiment, interleaved with its baselines
  bool save = true;            // else results go to a temporary directory
  bool lock = true;            // the directories, against other runs of them; else the caller has seen to that
  bool skip_existing = false;  // experiments whose directory holds a complete run of the same configuration
  bool keep_going = false;     // past experiments that fail
  bool strict = false;
  std::optional<double> sleep_s;     // between runs, instead of sleep_duration
  std::optional<double> deadline_s;  // of each phase, instead of the computed ones
  std::string executable = "/proc/self/exe";
  std::string command;
};

// One experiment's end.
struct ExperimentOutcome {
  std::string name;
  std::filesystem::path directory;  // where its files are; empty: there are none
  ExitCode code = ExitCode::valid;
  bool skipped = false;
  std::string error;                    // of an Error: what() of it
  std::vector<std::string> reasons;     // why its runs are not valid, "distilgpt2 alone: ..."
  std::vector<std::string> missed;      // thresholds that its runs missed, likewise, valid or not
  std::vector<WarningRecord> warnings;  // of all its runs
};

struct SeriesEvents {
  std::function<void(const LiveRun&)> show;
  std::function<void(const std::string& tenant, const std::string&)> log;
  std::function<void(const std::string&)> notice;  // a line for people
  // After each experiment, while its files are there (they go away without `save`). It may move them, and says where
  // to.
  std::function<void(ExperimentOutcome&)> finished;
};

// An experiment, or the error that it has. All are planned before the first one starts, to see whether they can be, and
// each again when it is its turn: the plans of a large grid would fill the memory.
struct PlannedExperiment {
  std::string name;
  std::function<ExperimentPlan()> plan;
  std::optional<Error> error;
};

// What can be known of the places of an experiment's results before anything is run, those of its tenants included;
// with skip_existing, whether what is there is what is asked for. Throws usage_error.
void check_places(const ExperimentPlan& plan, const SeriesOptions& options, PlaceCheck& places);

// What a baseline measures, as text: equal for runs of the same tenant under the same settings.
std::string identity_of(const RunPlan& baseline);

// The next one to be run, which stays while it is run; null: there is none left.
using NextExperiment = std::function<const PlannedExperiment*()>;

// Runs them in order. A baseline that an earlier experiment of the series has measured is copied from there, unless
// there are repeats, which are there to show what drifts. The first failure ends the series unless keep_going, an
// interruption always does. Throws only when nothing could be started, and what `next` throws. `signals` must be older
// than every thread of this process, those included that the GPU's driver starts when it is asked what devices there
// are: a thread that does not block a signal dies of it, and the process with it.
std::vector<ExperimentOutcome> run_series(const NextExperiment& next, SignalWatch& signals,
                                          const SeriesOptions& options, const SeriesEvents& events);
std::vector<ExperimentOutcome> run_series(const std::vector<PlannedExperiment>& experiments, SignalWatch& signals,
                                          const SeriesOptions& options, const SeriesEvents& events);

// The first failure's, or valid.
ExitCode exit_code_of(const std::vector<ExperimentOutcome>& outcomes);

}  // namespace cotenant
