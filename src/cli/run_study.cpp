#include "cli/run_study.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/printable.h"
#include "base/text.h"
#include "cli/experiment_path.h"
#include "cli/live.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cluster/devices.h"
#include "cluster/plan.h"
#include "cluster/status.h"
#include "cluster/work.h"
#include "driver/plan.h"
#include "report/study_table.h"
#include "results/place.h"
#include "sharing/mps.h"
#include "telemetry/machine.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::string directory_of(const RunFlags& flags) {
  return flags.study.directory.empty() ? flags.out : flags.study.directory;
}

bool has_sources(const RunFlags& flags) {
  return !flags.configs.empty() || !flags.models.empty();
}

void check_study_flags(const RunFlags& flags, const std::optional<ClusterTask>& task) {
  if (has_sources(flags)) check_flags(flags);
  if (directory_of(flags).empty()) {
    const std::string why = task && task->several()
                                ? fmt::format("{} processes were started ({})", task->size, task->from)
                            : flags.study.devices.empty() ? "--shard divides a study"
                                                          : "--devices divides a study";
    throw usage_error("run", why + ", and no directory is named that they share",
                      "Give --study DIR. To run by yourself in a job of several processes: COTENANT_RANK=0 "
                      "COTENANT_SIZE=1.");
  }
  if (!flags.study.directory.empty() && !flags.out.empty())
    throw usage_error("--out", "does not go with --study, which names the directory of the results");
  if (flags.no_save || flags.json || !flags.find_max_rate.empty() || flags.series.skip_existing)
    throw usage_error("--study", "does not go with --no-save, --json, --find-max-rate or --skip-existing",
                      "What is complete is skipped in any case; cotenant analyze DIR --json prints what came of it.");
}

void tell_interruption(SignalWatch& signals) {
  if (const auto number = signals.take())
    throw Error(interrupted_by(*number), "", "interrupted while planning: nothing was run");
}

// Before a study begins: everything that can be checked on this machine.
void check_plan(const StudyFiles& files, const StudyPlan& plan, SignalWatch& signals) {
  const Machine machine = read_machine();
  PlaceCheck places;
  SeriesOptions options;
  options.lock = false;
  options.baselines = plan.baselines;
  for (const StudyRun& run : plan.runs) {
    tell_interruption(signals);
    ExperimentPlan planned = make_plan(config_of(files, plan, run), machine);
    planned.out_dir = (files.in("work") / run.name).string();  // where it is longest
    check_places(planned, options, places);
  }
}

// Of a process in a study: progress, and a line for each run.
class Teller {
 public:
  Teller(const StudyFiles& files, const RunFlags& flags) : files_(files), flags_(flags), view_(flags.quiet) {}

  SeriesEvents events() {
    return {.show = [this](const LiveRun& run) { view_.show(run); },
            .log =
                [this](const std::string& tenant, const std::string& line) {
                  if (flags_.verbose) view_.line(fmt::format("[{}] {}", tenant, line));
                },
            .notice = [this](const std::string& line) { view_.line(line); },
            .finished = [this](const ExperimentOutcome& outcome) { finished(outcome); }};
  }

 private:
  void finished(const ExperimentOutcome& outcome) {
    view_.clear();
    view_.message(fmt::format("* {}: {}", outcome.name, outcome_text(outcome)));
    if (!outcome.error.empty()) view_.message("cotenant: " + outcome.error);
    for (const std::string& reason : outcome.reasons) view_.message("cotenant: " + printable(reason));
    for (const std::string& missed : outcome.missed) view_.message("cotenant: " + printable(missed));
  }

  const StudyFiles& files_;
  const RunFlags& flags_;
  LiveView view_;
};

// What the command's own process has to say at the end; the study's table where nothing is left.
void print_end(const StudyFiles& files, bool quiet) {
  const StudyStatus status = study_status(files);
  if (status.left > 0) {
    if (!quiet)
      print(fmt::format("{} of {} runs are left; the same command takes them up\n", status.left, status.planned));
  } else {
    print(study_text(study_table(files), colour_wanted()));
  }
  print_all("");
}

// The paths of configurations count from where the study was begun.
void go_where_it_began(const StudyPlan& plan) {
  std::error_code error;
  if (!plan.directory.empty()) fs::current_path(plan.directory, error);
}

}  // namespace

void add_study_options(Subcommand& command, StudyFlags& flags) {
  constexpr const char* kGroup = "Several processes, on one host or many (docs/cluster.md)";
  command
      .add_option("--study", flags.directory,
                  "directory of a study: any number of processes with this command share its runs; without a "
                  "configuration it goes on with what is planned there")
      .type_name("DIR")
      .not_empty()
      .group(kGroup);
  command
      .add_option("--devices", flags.devices,
                  "all, or 0,1,...: a process for each of these GPUs of this host; cpu,cpu: two on its cores")
      .type_name("LIST")
      .not_empty()
      .group(kGroup);
  command.add_option("--shard", flags.shard, "K/N: only every Nth run, from the Kth on").not_empty().group(kGroup);
  command.add_flag("--retry-failed", flags.retry_failed, "also the runs of the study that failed").group(kGroup);
  command.add_flag("--force", flags.force, "change the plan of a study; mix models of GPUs").group(kGroup);
  command
      .add_option("--lease", flags.lease_s,
                  "seconds after which a process that gave no sign is taken for dead, and its run is taken over")
      .range(1.0, 86400.0)
      .show_default()
      .group(kGroup);
  command.add_option("--on-device", flags.device, "of a process that --devices has started").group("");
}

bool is_study(const RunFlags& flags, const std::optional<ClusterTask>& task) {
  return !flags.study.directory.empty() || !flags.study.shard.empty() || !flags.study.devices.empty() ||
         (task && task->several());
}

StudyPlan plan_of(const RunFlags& flags) {
  StudyPlan plan;
  plan.directory = fs::current_path().string();
  plan.command = command_line();
  plan.baselines = flags.series.baselines;
  plan.strict = flags.series.strict;
  plan.repeats = flags.series.repeats;
  plan.sleep_s = flags.series.sleep_s;
  plan.deadline_s = flags.series.deadline_s;
  std::map<std::string, std::string> taken;
  std::shared_ptr<const std::string> text;
  for (const Source& source : sources_of(flags)) {
    if (source.text != text) {
      text = source.text;
      plan.configurations.push_back({.file = source.file.empty() ? "" : checked_path(source.file).string(),
                                     .text = *source.text,
                                     .set = flags.set,
                                     .experiment_name = source.experiment_name});
    }
    const ExperimentConfig config =
        source.load({.set = flags.set, .vary = source.cell.set, .suffix = source.cell.suffix});
    StudyRun run{.name = directory_name(source.experiment_name) + source.cell.suffix,
                 .configuration = static_cast<int>(plan.configurations.size()) - 1,
                 .cell = source.cell.set,
                 .suffix = source.cell.suffix,
                 .estimate_s = estimate_s(config, plan)};
    const auto [other, is_new] = taken.emplace(run.name, source.name());
    if (!is_new || run.name.starts_with('.'))
      throw usage_error(
          source.name(),
          is_new ? "its name begins with a dot"
                 : fmt::format("is called {} as {} is: one directory cannot hold both", run.name, other->second),
          "Give it another experiment_name.");
    plan.runs.push_back(std::move(run));
  }
  return plan;
}

int run_study(RunFlags& flags, const std::optional<ClusterTask>& task) {
  check_study_flags(flags, task);
  WorkOptions work;
  if (!flags.study.shard.empty()) work.shard = shard_from(flags.study.shard);
  work.force = flags.study.force;
  work.lease_s = flags.study.lease_s;
  work.device = flags.study.device;
  const bool first = flags.study.device.empty() && (!task || task->rank == 0);
  StudyPlan plan;
  const StudyFiles files(directory_of(flags));
  if (has_sources(flags)) plan = plan_of(flags);  // may wait for a pipe: a signal ends that
  SignalWatch signals;
  be_no_mps_client();
  const std::vector<WorkerDevice> devices =
      flags.study.devices.empty() ? std::vector<WorkerDevice>() : devices_named(flags.study.devices);
  if (has_sources(flags)) {
    if (first && !is_study(files.directory())) check_plan(files, plan, signals);
  } else {
    plan = read_plan(files);
    go_where_it_began(plan);
  }
  settle_plan(files, plan, flags.study.force, first);
  if (task && flags.study.device.empty()) check_is_shared(files, *task, signals);
  if (flags.study.retry_failed && first) put_failed_back(files);

  ExitCode code = ExitCode::valid;
  if (!devices.empty()) {
    DeviceWorkers workers{.devices = devices, .arguments = {"run", "--study"}};
    workers.arguments.push_back(files.directory().string());
    if (!flags.study.shard.empty()) workers.arguments.insert(workers.arguments.end(), {"--shard", flags.study.shard});
    if (flags.study.force) workers.arguments.emplace_back("--force");
    if (flags.quiet) workers.arguments.emplace_back("--quiet");
    if (flags.verbose) workers.arguments.emplace_back("--verbose");
    workers.arguments.insert(workers.arguments.end(), {"--lease", fmt::format("{:g}", flags.study.lease_s)});
    code = run_device_workers(workers, signals);
  } else {
    Teller teller(files, flags);
    code = exit_code_of(work_on(files, plan, task, work, flags.series, signals, teller.events()));
  }
  if (first && !is_interruption(code)) print_end(files, flags.quiet);
  return static_cast<int>(code);
}

}  // namespace cotenant
