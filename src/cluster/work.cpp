#include "cluster/work.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <set>

#include "analysis/analysis.h"
#include "base/clock.h"
#include "base/directory.h"
#include "base/new_file.h"
#include "base/path_component.h"
#include "base/text.h"
#include "cluster/plan.h"
#include "config/load.h"
#include "report/text.h"
#include "results/output_file.h"
#include "results/reader.h"
#include "sharing/device.h"
#include "telemetry/machine.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr double kProbe_s = 60;
constexpr int kMostFailuresInARow = 3;

bool is_there(const fs::path& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

void remove_mark(const fs::path& file) {
  ::unlink(file.c_str());
}

std::set<std::string> set_of(std::vector<std::string> names) {
  return {std::make_move_iterator(names.begin()), std::make_move_iterator(names.end())};
}

// A file of lines that only this process writes.
class Lines {
 public:
  explicit Lines(const fs::path& file) : file_(file) {}

  void write(const std::string& line) {
    file_.write(line);
    file_.flush();
  }

 private:
  OutputFile file_;
};

// One process's share of the work. Hands out runs to run_series, and puts into its place what came of each.
class Taker {
 public:
  Taker(const StudyFiles& files, const StudyPlan& plan, const WorkOptions& options, const StudyWorker& who,
        SignalWatch& signals, const SeriesEvents& events)
      : files_(files),
        plan_(plan),
        options_(options),
        signals_(signals),
        events_(events),
        worker_(files, who),
        journal_(files.in("journal", worker_.name() + ".jsonl")),
        figures_(files.in("figures", worker_.name() + ".jsonl")),
        place_(files.in("work", worker_.name())) {
    make_directory(place_, "Choose another directory with --study.");
    figures_.write(columns_line(csv_columns()));
  }
  Taker(const Taker&) = delete;
  ~Taker() { ::rmdir(place_.c_str()); }

  const PlannedExperiment* next() {
    if (end_) throw *end_;
    while (!interrupted_ && failures_in_a_row_ < kMostFailuresInARow) {
      bool others_work = false;
      if (const StudyRun* run = take(others_work)) return plan(*run);
      if (!others_work || !wait()) break;
    }
    if (failures_in_a_row_ >= kMostFailuresInARow)
      throw Error(ExitCode::tenant_died, worker_.name(),
                  fmt::format("{} runs in a row failed here: it takes no more", failures_in_a_row_),
                  "See their reasons with `cotenant status`. If this machine is at fault, leave it out and run again "
                  "with --retry-failed.");
    return nullptr;
  }

  void finished(ExperimentOutcome& outcome) {
    const auto taken = std::exchange(claim_, std::nullopt);  // given back at the end
    if (!taken) return;
    StudyOutcome ended = describe(outcome);
    if (is_interruption(outcome.code)) {
      outcome.directory = put_aside(files_, outcome.directory);
    } else if (!taken->is_held() || is_there(files_.run(ended.run))) {
      outcome.directory = put_aside(files_, outcome.directory);
      notice(fmt::format("{}: was taken over by another process while this one gave no sign; its results went to {}",
                         ended.run, outcome.directory.string()));
    } else if (outcome.code == ExitCode::invalid && !is_there(files_.in("again", ended.run))) {
      write_file(files_.in("again", ended.run), to_json(ended));
      outcome.directory = put_aside(files_, outcome.directory);
      notice(fmt::format("{}: is invalid, and is put back once", ended.run));
    } else if (is_complete(outcome.code)) {
      keep(ended, outcome);
    } else if (!outcome.error.empty() && made_plan_ && !is_there(files_.in("again", ended.run))) {
      // Not a tenant failed, but this machine or the directory, as by a full disk: it would fail every run that is
      // left.
      end_ = Error(outcome.code, ended.run, "could not be run here, for a reason that is not its tenants': this ends",
                   "The reason stands above. The run is put back, once; the same command goes on.");
      outcome.directory = put_aside(files_, outcome.directory);
      write_file(files_.in("again", ended.run), to_json(ended));
    } else {
      give_up(ended, outcome);
    }
  }

  std::optional<int> interrupted() const { return interrupted_; }

 private:
  // The next run in order that is neither complete nor somebody's.
  const StudyRun* take(bool& others_work) {
    const std::set<std::string> done = set_of(names_in(files_.directory())),
                                failed = set_of(names_in(files_.in("failed")));
    const std::map<std::string, int> claims = last_claims(files_);
    const double now_s = worker_.file_system_time_s();
    for (size_t i = 0; i < plan_.runs.size(); ++i) {
      const StudyRun& run = plan_.runs[i];
      if (!options_.shard.has(i) || done.contains(run.name) || failed.contains(run.name)) continue;
      const auto last = claims.find(run.name);
      const int number = last == claims.end() ? 0 : last->second;
      std::optional<ClaimState> state;
      if (number > 0) state = claim_state(files_, run.name, number, now_s);
      if (state && state->alive) {
        others_work = true;
        continue;
      }
      claim_ = Claim::take(files_, worker_, run.name, number);
      if (claim_ && !is_there(files_.run(run.name)) && !is_there(files_.in("failed", run.name))) {
        if (state && state->worker) bury(*state->worker, run.name);
        return &run;
      }
      if (!claim_) others_work = true;
      claim_.reset();
    }
    return nullptr;
  }

  // What a dead worker left of the run.
  void bury(const StudyWorker& dead, const std::string& run) {
    if (!is_path_component(dead.name) || dead.name == worker_.name()) return;
    const fs::path place = files_.in("work", dead.name);
    for (const std::string& name : names_in(place)) put_aside(files_, place / name);
    ::rmdir(place.c_str());
    remove_mark(files_.in("workers", dead.name));
    notice(fmt::format("{}: taken over from process {} on {}, which gave no sign for {:g} s", run, dead.pid, dead.host,
                       dead.lease_s));
  }

  const PlannedExperiment* plan(const StudyRun& run) {
    started_ns_ = now_ns();
    made_plan_ = false;
    planned_ = {.name = run.name, .plan = {}, .error = {}};
    try {
      const ExperimentConfig config = config_of(files_, plan_, run);
      check_devices(config);
      planned_.plan = [this, config] {
        ExperimentPlan plan = make_plan(config, read_machine());
        made_plan_ = true;
        plan.out_dir = (place_ / planned_.name).string();
        return plan;
      };
    } catch (const Error&) {  // this machine's fault, not the run's
      claim_.reset();
      throw;
    }
    return &planned_;
  }

  void check_devices(const ExperimentConfig& config) {
    std::set<std::string> devices;
    for (const TenantConfig& tenant : config.tenants)
      devices.insert(tenant.device.empty() ? config.device : tenant.device);
    if (devices.size() > 1 && !options_.device.empty())
      throw usage_error("--devices",
                        fmt::format("{} has tenants on several devices ({}), and each process that --devices starts "
                                    "sees one",
                                    config.experiment_name, fmt::join(devices, ", ")),
                        "Leave out --devices: one process runs the study, on all its devices.");
    for (const std::string& device : devices) check_device(device);
  }

  // Figures of different models of device do not belong into one table.
  void check_device(const std::string& asked) {
    if (options_.force || !checked_devices_.insert(asked).second) return;
    const std::string device = resolve_device(asked);
    const std::string name = device == "cpu" ? read_machine().cpu : describe_device(device).name;
    const fs::path file = files_.in("devices", path_component(asked));
    StudyOutcome mark;
    mark.device = name;
    mark.host = worker_.who().host;
    if (publish(files_, file, to_json(mark))) return;
    const auto first = read_outcome(file);
    if (!first || first->device == name) return;
    throw usage_error(worker_.who().host,
                      fmt::format("device: {} is {} here, and {} on {}, where the study began", asked, name,
                                  first->device, first->host),
                      "Ask the scheduler for one model of GPU (Slurm: --gres=gpu:h100:1, --constraint); --force takes "
                      "both.");
  }

  StudyOutcome describe(const ExperimentOutcome& outcome) const {
    StudyOutcome ended;
    ended.run = planned_.name;
    ended.worker = worker_.name();
    ended.host = worker_.who().host;
    ended.code = static_cast<int>(outcome.code);
    ended.seconds = ns_to_s(now_ns() - started_ns_);
    ended.ended_s = worker_.file_system_time_s();
    ended.reasons = outcome.reasons;
    ended.reasons.insert(ended.reasons.end(), outcome.missed.begin(), outcome.missed.end());
    if (!outcome.error.empty()) ended.reasons.push_back(one_line(outcome.error));
    try {
      const auto record = outcome.directory.empty() ? std::nullopt : read_record(outcome.directory);
      if (record) {
        ended.device_uuid = device_uuids(*record);
        ended.device = device_names(*record);
        if (ended.device.empty()) ended.device = record->host.cpu;
      }
    } catch (const Error&) {  // of a run that failed: there is nothing to read
    }
    return ended;
  }

  void keep(const StudyOutcome& ended, ExperimentOutcome& outcome) {
    failures_in_a_row_ = 0;
    if (outcome.code == ExitCode::invalid) write_file(files_.in("failed", ended.run), to_json(ended));
    journal_.write(to_json(ended));
    const fs::path place = files_.run(ended.run);
    if (::rename(outcome.directory.c_str(), place.c_str()) != 0) {
      if (errno != EEXIST && errno != ENOTEMPTY) throw file_error(place.string(), "rename");
      outcome.directory = put_aside(files_, outcome.directory);
      notice(fmt::format("{}: is complete already; what was measured here went to {}", ended.run,
                         outcome.directory.string()));
      return;
    }
    outcome.directory = place;
    figures_.write(rows_line(ended.run, csv_rows(analyze_run(place))));
  }

  static ExperimentAnalysis analyze_run(const fs::path& directory) {
    AnalysisRequest request;
    request.directory = directory;
    request.search_baselines = false;
    return analyze_experiment(request);
  }

  void give_up(const StudyOutcome& ended, ExperimentOutcome& outcome) {
    ++failures_in_a_row_;
    if (!outcome.directory.empty()) {
      const fs::path kept = files_.run(ended.run + ".incomplete");
      put_aside(files_, kept);
      if (::rename(outcome.directory.c_str(), kept.c_str()) == 0) outcome.directory = kept;
    }
    write_file(files_.in("failed", ended.run), to_json(ended));
    journal_.write(to_json(ended));
  }

  // Until something may have changed. False: a signal came.
  bool wait() {
    if (!std::exchange(told_waiting_, true)) notice("all that is left is being run by others: waiting for them");
    pollfd descriptor{signals_.fd(), POLLIN, 0};
    ::poll(&descriptor, 1, static_cast<int>(std::clamp(options_.lease_s * 1e3 / 10, 50.0, 2000.0)));
    interrupted_ = signals_.take();
    return !interrupted_;
  }

  void notice(const std::string& line) const {
    if (events_.notice) events_.notice(line);
  }

  const StudyFiles& files_;
  const StudyPlan& plan_;
  const WorkOptions& options_;
  SignalWatch& signals_;
  const SeriesEvents& events_;
  Worker worker_;
  Lines journal_, figures_;
  const fs::path place_;  // of runs in hand
  std::optional<Claim> claim_;
  PlannedExperiment planned_;
  int64_t started_ns_ = 0;
  bool made_plan_ = false;  // of the run in hand: it can be run here
  std::set<std::string> checked_devices_;
  int failures_in_a_row_ = 0;
  bool told_waiting_ = false;
  std::optional<int> interrupted_;
  std::optional<Error> end_;
};

}  // namespace

void check_is_shared(const StudyFiles& files, const ClusterTask& task, SignalWatch& signals) {
  if (!task.together) return;
  const std::string job = path_component(task.job.empty() ? "job" : task.job);
  const auto mark = [&](int rank) { return fmt::format("{}.{}", job, rank); };
  write_file(files.in("probe", mark(task.rank)), "");
  const int64_t until_ns = now_ns() + s_to_ns(kProbe_s);
  for (int missing = 0; missing < task.size;) {
    if (set_of(names_in(files.in("probe"))).contains(mark(missing))) {
      ++missing;
      continue;
    }
    pollfd descriptor{signals.fd(), POLLIN, 0};
    ::poll(&descriptor, 1, 100);
    if (const auto number = signals.take())
      throw Error(interrupted_by(*number), "", "interrupted while waiting for the other processes: nothing was run");
    if (now_ns() > until_ns)
      throw usage_error(files.directory().string(),
                        fmt::format("nothing is to be seen there of process {} of {} after {:g} s (this is {})",
                                    missing + 1, task.size, kProbe_s, task.rank + 1),
                        "Is it one directory on all hosts (NFS, Lustre), and not each host's own? Choose one that is "
                        "shared with --study.");
  }
}

void put_failed_back(const StudyFiles& files) {
  for (const std::string& run : names_in(files.in("failed"))) {
    if (!is_path_component(run)) continue;
    put_aside(files, files.run(run));
    remove_mark(files.in("again", run));
    remove_mark(files.in("failed", run));
  }
}

std::vector<ExperimentOutcome> work_on(const StudyFiles& files, const StudyPlan& plan,
                                       const std::optional<ClusterTask>& task, const WorkOptions& work,
                                       SeriesOptions options, SignalWatch& signals, const SeriesEvents& events) {
  options.save = true;
  options.lock = false;  // a claim does what the lock does
  options.keep_going = true;
  options.skip_existing = false;
  options.baselines = plan.baselines;
  options.repeats = plan.repeats;
  options.strict = plan.strict;
  options.sleep_s = plan.sleep_s;
  options.deadline_s = plan.deadline_s;
  StudyWorker who;
  who.host = read_machine().hostname;
  who.pid = ::getpid();
  who.task = task ? task->text() : "";
  who.device = work.device;
  who.lease_s = work.lease_s;
  Taker taker(files, plan, work, who, signals, events);
  SeriesEvents told = events;
  told.finished = [&](ExperimentOutcome& outcome) {
    taker.finished(outcome);
    if (events.finished) events.finished(outcome);
  };
  auto outcomes = run_series([&] { return taker.next(); }, signals, options, told);
  if (taker.interrupted())
    throw Error(interrupted_by(*taker.interrupted()), "", "interrupted; what is left can be taken up again");
  return outcomes;
}

}  // namespace cotenant
