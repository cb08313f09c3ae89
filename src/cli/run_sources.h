#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command_line.h"
#include "cluster/claims.h"
#include "config/load.h"
#include "config/overrides.h"
#include "driver/series.h"

// What is to be run, as `run` and `submit` are told it on the command line.
namespace cotenant {

// Of a study (run_study.h).
struct StudyFlags {
  std::string directory, shard, devices;
  std::string device;  // of a process that another one has started for it
  bool retry_failed = false, force = false;
  double lease_s = kLease_s;
};

struct RunFlags {
  std::vector<std::string> configs, models, set, vary;
  std::map<std::string, std::string> values;  // key of a configuration -> value, for --model
  std::string out, find_max_rate;             // the latter: a tenant, "all"; empty: is not asked for
  bool no_save = false, no_baseline_search = false, json = false, quiet = false, verbose = false;
  SeriesOptions series;
  StudyFlags study;
};

// The options and the configurations that say what is run, on both commands.
void add_source_options(Subcommand& command, RunFlags& flags);

// Throws usage_error.
void check_flags(const RunFlags& flags);

// One experiment to be loaded: a file as it was when it was read first, or the text of the flags, with a cell of the
// grid of --vary.
struct Source {
  std::string file;
  std::shared_ptr<const std::string> text = nullptr;
  std::optional<Error> unreadable{};  // why its file could not be read
  std::string experiment_name{};      // of the file, without the cell's suffix
  Variation cell{};
  bool of_sweep = false;  // its file has the key vary

  ExperimentConfig load(const ConfigChanges& changes) const {
    if (unreadable) throw *unreadable;
    return parse_config(*text, file, changes);
  }
  std::string name() const { return (file.empty() ? std::string("--model") : file) + cell.suffix; }
};

// Every cell of every grid, in order. Throws usage_error.
std::vector<Source> sources_of(const RunFlags& flags);

// --out is the experiment's directory, or holds one directory for each of several.
ConfigChanges changes_of(const RunFlags& flags, const Source& source, bool several);

}  // namespace cotenant
