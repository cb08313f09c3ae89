#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

// The files of a study: many experiments in one directory, which any number of processes on any number of hosts run
// together. Plain data, written and read here; who may run what is told by cluster/claims.h.
//
//   <study>/<run>/              an experiment's directory, there once it is complete; moved there in one step
//   <study>/.study/plan.json    what is to be run; never changes while the study is the same
//   .study/workers/<worker>     who takes part; its modification time is the worker's sign of life
//   .study/claims/<run>.<n>     a hard link to the file of the worker that has taken the run, for the n-th time
//   .study/again/<run>          it was invalid or could not be run once, and is put back: StudyOutcome
//   .study/failed/<run>         it is not tried again without --retry-failed: StudyOutcome
//   .study/journal/<worker>.jsonl   a StudyOutcome a line, of each run that the worker has ended
//   .study/figures/<worker>.jsonl   what `analyze` says of each, so that a table of thousands needs no samples
//   .study/work/<worker>/       where the worker's runs are until they are complete
//   .study/aside/               what was replaced, and what killed workers left: nothing is lost
//   .study/devices/<device>     what device: auto, cpu, cuda, ... was where it was first used
//   .study/probe/               marks by which the processes of one job see that they share the directory
namespace cotenant {

struct StudyConfiguration {
  std::string file;              // a whole path; empty: of the command line's flags
  std::string text;              // byte for byte
  std::vector<std::string> set;  // of --set
  std::string experiment_name;
};

struct StudyRun {
  std::string name;               // of its directory in the study's
  int configuration = 0;          // its index
  std::vector<std::string> cell;  // of the grid that is varied: "tenants.0.batch_size=4"
  std::string suffix;             // of the cell, behind experiment_name
  double estimate_s = 0;          // with its baselines and repeats, as far as can be told before it has run
};

struct StudyPlan {
  int format = 1;
  std::string directory;  // from which relative paths of the configurations count
  std::string command;    // that made it
  bool baselines = false, strict = false;
  int repeats = 1;
  std::optional<double> sleep_s, deadline_s;
  std::vector<StudyConfiguration> configurations;
  std::vector<StudyRun> runs;
};

struct StudyWorker {
  std::string name;  // of its files
  std::string host;
  int pid = 0;
  std::string task;    // "3 of 8"; empty: alone
  std::string device;  // where it is pinned to one: its UUID or "cpu"
  double lease_s = 0;  // without a sign of life for so long, it is taken for dead
};

// How one run ended.
struct StudyOutcome {
  std::string run, worker, host;
  int code = 0;             // ExitCode
  std::string device_uuid;  // empty on the CPU
  std::string device;       // "NVIDIA H100 80GB HBM3", of the CPU its model
  double seconds = 0;       // that it took, with baselines and repeats
  double ended_s = 0;       // since the epoch, by the clock of the file system, which all hosts have in common
  std::vector<std::string> reasons;
};

// Rows of one table, by run.
struct StudyFigures {
  std::vector<std::string> columns;
  std::map<std::string, std::vector<std::vector<std::string>>> rows;
};

// Where the files of a study are.
class StudyFiles {
 public:
  explicit StudyFiles(const std::filesystem::path& directory);  // throws usage_error where that is no name of one

  const std::filesystem::path& directory() const { return directory_; }
  std::filesystem::path own() const { return directory_ / ".study"; }
  std::filesystem::path plan() const { return own() / "plan.json"; }
  std::filesystem::path in(const char* what) const { return own() / what; }
  std::filesystem::path in(const char* what, const std::string& name) const { return own() / what / name; }
  std::filesystem::path run(const std::string& name) const { return directory_ / name; }

 private:
  std::filesystem::path directory_;
};

bool is_study(const std::filesystem::path& directory);

std::string to_json(const StudyPlan& plan);
std::string to_json(const StudyWorker& worker);
std::string to_json(const StudyOutcome& outcome);
// One line each: the columns, and the rows of a run.
std::string columns_line(const std::vector<std::string>& columns);
std::string rows_line(const std::string& run, const std::vector<std::vector<std::string>>& rows);

// Throws usage_error: there is none, it is no plan of ours, or of a later version.
StudyPlan read_plan(const StudyFiles& files);

// nullopt: it cannot be read, or is none.
std::optional<StudyWorker> read_worker(const std::filesystem::path& file);
std::optional<StudyOutcome> read_outcome(const std::filesystem::path& file);

// What all workers wrote, by run, the latest of each. Lines that were torn by a death are left out.
std::map<std::string, StudyOutcome> read_journal(const StudyFiles& files);
StudyFigures read_figures(const StudyFiles& files);

// The names in a directory; none where it is not there.
std::vector<std::string> names_in(const std::filesystem::path& directory);

}  // namespace cotenant
