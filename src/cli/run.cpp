#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>

#include "analysis/analysis.h"
#include "analysis/sensitivity.h"
#include "base/printable.h"
#include "cli/analysis_options.h"
#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/live.h"
#include "cli/max_rate.h"
#include "cli/outcome.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "cli/run_sources.h"
#include "cli/run_study.h"
#include "cli/run_table.h"
#include "config/load.h"
#include "driver/experiment.h"
#include "driver/series.h"
#include "report/json_output.h"
#include "report/sensitivity_text.h"
#include "report/table.h"
#include "report/text.h"
#include "results/experiment_dir.h"
#include "results/place.h"
#include "results/reader.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// The directories of all experiments and tenants, each with a slash at its end. One inside another would make that one
// a directory that is no run's any more.
class Places {
 public:
  void take(const ExperimentPlan& plan) {
    check_place(plan.out_dir);
    take(plan.out_dir);
    for (const TenantPlan& tenant : plan.run.tenants) {
      if (tenant.out_dir.empty()) continue;
      check_tenant_place(tenant.out_dir, plan.out_dir);
      take(tenant.out_dir);
    }
  }

 private:
  void take(const std::string& directory) {
    const std::string place = (checked_path(directory) / "").string();
    const auto behind = taken_.lower_bound(place);
    if (behind != taken_.end() && behind->starts_with(place)) refuse(directory, *behind);
    for (size_t slash = place.find('/', 1); slash + 1 < place.size(); slash = place.find('/', slash + 1))
      if (const auto above = taken_.find(place.substr(0, slash + 1)); above != taken_.end()) refuse(directory, *above);
    taken_.insert(place);
  }

  [[noreturn]] static void refuse(const std::string& directory, const std::string& other) {
    throw usage_error(directory, "results would go to it and to " + other + ", one of which is or lies in the other",
                      "Give each experiment and tenant an out_dir of its own.");
  }

  std::set<std::string> taken_;
};

// Nothing is running yet, and nothing is lost.
void hear_signal(SignalWatch& signals) {
  if (const auto number = signals.take())
    throw Error(interrupted_by(*number), "", "interrupted while planning: nothing was run");
}

// Everything is loaded and checked before anything runs. The plans refer to `flags` and `sources`.
std::vector<PlannedExperiment> plan_all(const RunFlags& flags, const std::vector<Source>& sources,
                                        SignalWatch& signals) {
  const Machine machine = read_machine();
  const bool several = sources.size() > 1;
  std::vector<PlannedExperiment> planned;
  std::map<std::string, std::string> directories;
  Places places;
  PlaceCheck tried;
  for (const Source& source : sources) {
    hear_signal(signals);
    PlannedExperiment experiment{.name = source.name(), .plan = {}, .error = {}};
    try {
      const ExperimentConfig config = source.load(changes_of(flags, source, several));
      experiment.name = config.experiment_name;
      const auto [other, is_new] = directories.emplace(checked_path(config.out_dir), source.name());
      if (!is_new)
        throw usage_error(
            source.name(),
            fmt::format("its results would replace those of {}: both go to {}", other->second, config.out_dir),
            "Give it another experiment_name or out_dir.");
      const ExperimentPlan plan = make_plan(config, machine);
      if (flags.series.save) places.take(plan);
      check_places(plan, flags.series, tried);
      experiment.plan = [&flags, &source, several] {
        return make_plan(source.load(changes_of(flags, source, several)), read_machine());
      };
    } catch (const Error& error) {
      if (!flags.series.keep_going) throw;
      experiment.error = error;
    }
    planned.push_back(std::move(experiment));
  }
  return planned;
}

std::string summary_table(const std::vector<ExperimentOutcome>& outcomes, bool colour) {
  Table table({{"experiment", Align::left}, {"outcome", Align::left}, {"files", Align::left}});
  for (const ExperimentOutcome& outcome : outcomes)
    table.add_row({outcome.name, outcome_text(outcome), outcome.directory.string()});
  return table.text(colour);
}

// Prints what comes, and keeps the analyses for the end.
class Printer {
 public:
  // `only_one`: experiment, of which nothing is said at the end.
  Printer(const RunFlags& flags, bool of_sweep, bool only_one)
      : flags_(flags),
        of_sweep_(of_sweep),
        only_one_(only_one && !flags.json && !of_sweep),
        view_(flags.quiet),
        out_(STDOUT_FILENO) {}

  SeriesEvents events() {
    return {.show = [this](const LiveRun& run) { view_.show(run); },
            .log =
                [this](const std::string& tenant, const std::string& line) {
                  if (flags_.verbose) view_.line(fmt::format("[{}] {}", tenant, line));
                },
            .notice = [this](const std::string& line) { view_.line(line); },
            .finished = [this](const ExperimentOutcome& outcome) { finished(outcome); }};
  }

  // Waits for a slow reader of standard output until a signal comes.
  void end(const std::vector<ExperimentOutcome>& outcomes, size_t planned, SignalWatch& signals) {
    if (outcomes.size() < planned)
      view_.message(fmt::format("{} of {} experiments were not run", planned - outcomes.size(), planned));
    const auto tables = of_sweep_ ? sensitivity_tables(analyses_) : std::vector<SensitivityTable>();
    if (flags_.json) {
      out_.put(of_sweep_ ? sweep_json(analyses_, tables) : json_output(analyses_));
    } else if (planned > 1) {
      if (analyses_.size() > 1) out_.put("\n" + comparison_text(analyses_, colour_wanted()));
      out_.put("\n" + summary_table(outcomes, colour_wanted()));
      if (!tables.empty()) out_.put("\n" + sensitivity_text(tables, colour_wanted()));
    }
    out_.finish(std::nullopt, signals.fd());
    while (signals.take()) continue;  // it ended the waiting, and nothing else
    check_output();
  }

 private:
  // A reader who has left has read enough. A table that could not be written is told, no more: its figures are in the
  // files. Where it was all that was asked for, that is an error.
  void check_output() {
    if (out_.error() == 0 || out_.error() == EPIPE) return;
    const char* reason = std::strerror(out_.error());
    if (flags_.json || flags_.no_save) refuse_output(reason);
    view_.message(fmt::format("standard output: cannot be written: {}; `cotenant analyze` prints it again", reason));
  }

  void finished(const ExperimentOutcome& outcome) {
    view_.clear();
    if (!outcome.error.empty()) view_.message("cotenant: " + outcome.error);
    for (const std::string& reason : outcome.reasons)
      if (!is_in_table(outcome, reason)) view_.message("cotenant: " + printable(reason));
    for (const std::string& missed : outcome.missed) view_.message("cotenant: " + printable(missed));
    for (const WarningRecord& warning : outcome.warnings)
      view_.message(fmt::format("warning: {}: {}", printable(warning.what), printable(warning.remedy)));
    if (outcome.directory.empty()) return;
    try {
      if (only_one_) {
        out_.put(run_table({.directory = outcome.directory.string(),
                            .colour = colour_wanted(),
                            .details = flags_.verbose,
                            .unsaved = !flags_.series.save,
                            .search_baselines = !flags_.no_baseline_search}));
        return;
      }
      AnalysisRequest request;
      request.directory = outcome.directory;
      request.search_baselines = !flags_.no_baseline_search;
      ExperimentAnalysis analysis = analyze_experiment(request);
      if (!flags_.series.save) analysis.directory.clear();
      if (!flags_.json) show_table(analysis);
      forget_samples(analysis);  // what comes at the end is made of figures
      analyses_.push_back(std::move(analysis));
    } catch (const std::exception& error) {  // no reason to end the series
      // A run that died before its first request has nothing to analyse, and its reasons are told above.
      if (outcome.reasons.empty() && outcome.error.empty()) view_.message(fmt::format("cotenant: {}", error.what()));
      if (flags_.series.save) view_.message("What there is, is in " + outcome.directory.string());
    }
  }

  // The table tells why a complete run is invalid, but nothing of its baselines, and deaths deserve a line in any case.
  static bool is_in_table(const ExperimentOutcome& outcome, const std::string& reason) {
    return outcome.code == ExitCode::invalid && reason.starts_with(outcome.name + ": ");
  }

  void show_table(const ExperimentAnalysis& analysis) {
    std::string text = any_printed_ ? "\n" : "";
    any_printed_ = true;
    text += experiment_table(analysis, colour_wanted());
    if (flags_.verbose) text += "\n" + experiment_details(analysis, colour_wanted());
    out_.put(text);
  }

  const RunFlags& flags_;
  const bool of_sweep_;  // a configuration has the key vary
  const bool only_one_;
  LiveView view_;
  Outlet out_;
  std::vector<ExperimentAnalysis> analyses_;
  bool any_printed_ = false;
};

// One run after another, each of the rate that the last ones leave open.
ExitCode find_max_rate(const RunFlags& flags, const Source& source, SignalWatch& signals) {
  const ExperimentConfig config = source.load(changes_of(flags, source, false));
  const std::vector<size_t> tenants = tenants_to_scale(config, flags.find_max_rate);
  RateSearch search;
  std::vector<RatePoint> points;
  while (const auto multiple = search.next()) {
    std::vector<Source> at{source};
    at[0].cell = at_multiple(config, tenants, *multiple);
    const std::vector<PlannedExperiment> planned = plan_all(flags, at, signals);
    Printer printer(flags, false, true);
    const std::vector<ExperimentOutcome> outcomes = run_series(planned, signals, flags.series, printer.events());
    printer.end(outcomes, planned.size(), signals);
    const ExperimentOutcome& outcome = outcomes.at(0);
    auto record = is_complete(outcome.code) ? read_record(outcome.directory) : std::nullopt;
    if (!record) return outcome.code;
    points.push_back(judge_point(*multiple, std::move(*record)));
    search.note(*multiple, points.back().carried);
    if (*multiple < 1 && !search.highest() && points.back().by_generator)  // lower rates tell no more of the tenants
      throw Error(ExitCode::invalid, "--find-max-rate",
                  fmt::format("at {:g} times the rates, too, {}: nothing is known of the tenants", *multiple,
                              points.back().why),
                  "Leave cotenant a core of its own, or run again when the machine is idle.");
  }
  print_all("\n" + max_rate_text(std::move(points), search, tenants, colour_wanted()));
  return search.highest() ? ExitCode::valid : ExitCode::threshold;
}

int run(RunFlags& flags) {
  if (const auto task = cluster_task(::getenv); is_study(flags, task)) {
    flags.series.command = command_line();
    return run_study(flags, task);
  }
  check_flags(flags);
  const std::vector<Source> sources = sources_of(flags);  // may wait for a pipe: a signal ends that
  SignalWatch signals;                                    // before a driver starts threads
  be_no_mps_client();
  flags.series.command = command_line();
  flags.series.save = !flags.no_save;
  if (!flags.find_max_rate.empty()) {
    if (sources.size() != 1) throw usage_error("--find-max-rate", "goes with one experiment, not with the key vary");
    return static_cast<int>(find_max_rate(flags, sources.front(), signals));
  }
  const std::vector<PlannedExperiment> planned = plan_all(flags, sources, signals);
  Printer printer(flags, std::ranges::any_of(sources, &Source::of_sweep), planned.size() == 1);
  const std::vector<ExperimentOutcome> outcomes = run_series(planned, signals, flags.series, printer.events());
  const ExitCode code = exit_code_of(outcomes);
  try {
    printer.end(outcomes, planned.size(), signals);
  } catch (const Error& error) {  // the table could not be written: the lesser evil
    if (code == ExitCode::valid) throw;
    tell(fmt::format("cotenant: {}\n", printable_lines(error.what())));
  }
  return static_cast<int>(code);
}

}  // namespace

void add_run(Subcommand& app, int& exit_code) {
  auto flags = std::make_shared<RunFlags>();
  Subcommand command = app.add_subcommand("run", "Runs experiments and prints what came of them.");
  add_source_options(command, *flags);
  add_baseline_search_flag(command, flags->no_baseline_search);
  command.add_option("--out", flags->out, "directory of the results instead of the configuration's").not_empty();
  command.add_flag("--no-save", flags->no_save, "keep no files");
  command.add_flag("--skip-existing", flags->series.skip_existing,
                   "not those whose directory holds a complete run of the same configuration");
  command.add_flag("--keep-going", flags->series.keep_going, "past experiments that fail");
  command
      .add_option("--find-max-rate", flags->find_max_rate,
                  "runs at higher and lower rates of this tenant (all: of all that have one), to the highest at which "
                  "every slo is met by its percentile of requests (99)")
      .not_empty();
  command.add_flag("--json", flags->json, "the analysis as JSON instead of tables");
  command.add_flag("--quiet,-q", flags->quiet, "no progress; warnings and results only");
  command.add_flag("--verbose,-v", flags->verbose, "what workers print, and details behind the table");
  add_study_options(command, flags->study);
  command.callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace cotenant
