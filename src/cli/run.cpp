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
#include "cli/outlet.h"
#include "cli/output.h"
#include "cli/run_table.h"
#include "config/keys.h"
#include "config/load.h"
#include "config/overrides.h"
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

struct RunFlags {
  std::vector<std::string> configs, models, set, vary;
  std::map<std::string, std::string> values;  // key of a configuration -> value, for --model
  std::string out, find_max_rate;             // the latter: a tenant, "all"; empty: is not asked for
  bool no_save = false, no_baseline_search = false, json = false, quiet = false, verbose = false;
  SeriesOptions series;
};

// "batch_size" -> "--batch-size"
std::string flag_of(const std::string& key) {
  std::string flag = "--" + key;
  std::ranges::replace(flag, '_', '-');
  return flag;
}

void add_key_flags(Subcommand& command, RunFlags& flags) {
  const auto add = [&](const Key& key) {
    const bool is_plain = key.path.find('.') == std::string::npos && key.type != ValueType::tenant &&
                          key.type != ValueType::tenants && key.type != ValueType::vary && key.path != "model_name" &&
                          key.path != "out_dir" && key.path != "baselines";
    if (!is_plain || flags.values.count(key.path)) return;
    flags.values[key.path];
    command.add_option(flag_of(key.path), flags.values[key.path], key.description)
        .group("Without a configuration file")
        .type_name(flag_default(key).empty() ? "" : "[" + flag_default(key) + "]");
  };
  for (const Key& key : tenant_keys()) add(key);
  for (const Key& key : experiment_keys()) add(key);
}

std::vector<KeyValue> given_values(const RunFlags& flags) {
  std::vector<KeyValue> given;
  for (const auto& [key, value] : flags.values)
    if (!value.empty()) given.push_back({key, value});
  return given;
}

void check_flags(const RunFlags& flags) {
  const auto given = given_values(flags);
  if (flags.configs.empty() && flags.models.empty())
    throw usage_error("run", "expected a configuration file or --model",
                      "For example: cotenant run configs/demo/demo.yaml, or cotenant run --model distilgpt2.");
  if (!flags.configs.empty() && !flags.models.empty())
    throw usage_error("run", "expected either configuration files or --model, found both");
  if (!flags.configs.empty() && !given.empty())
    throw usage_error(
        flag_of(given.front().key), "goes with --model only",
        fmt::format("With a file: --set tenants.*.{0}={1}, or --set {0}={1}.", given.front().key, given.front().value));
  if (flags.no_save && !flags.out.empty()) throw usage_error("--no-save", "does not go with --out");
  if (flags.find_max_rate.empty()) return;
  if (flags.configs.size() > 1 || !flags.vary.empty() || flags.no_save || flags.json)
    throw usage_error("--find-max-rate",
                      "goes with one experiment, whose runs are kept, and not with --vary or --json");
}

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

// Its file is read once: it may be a pipe.
Source read_source(const std::string& file) {
  Source source{.file = file};
  try {
    source.text = std::make_shared<const std::string>(read_config(file));
  } catch (const Error& error) {
    source.unreadable = error;
  }
  return source;
}

// The axes of the file's key vary, and its name. A file that cannot be read has none: it is refused when it is planned.
std::vector<VaryAxis> open_source(Source& source, const RunFlags& flags) {
  try {
    ExperimentConfig config = source.load({.set = flags.set});
    source.experiment_name = config.experiment_name;
    return std::move(config.vary);
  } catch (const Error&) {
    if (!flags.series.keep_going) throw;
    return {};
  }
}

std::vector<Source> sources_of(const RunFlags& flags) {
  std::vector<Source> sources;
  const std::vector<VaryAxis> options = vary_axes(flags.vary);
  grid_of(options);
  const auto add = [&](Source source) {
    std::vector<VaryAxis> axes = open_source(source, flags);
    source.of_sweep = !axes.empty();
    axes.insert(axes.end(), options.begin(), options.end());
    for (Variation& cell : grid_of(axes)) {
      source.cell = std::move(cell);
      sources.push_back(source);
    }
  };
  if (!flags.models.empty())
    add({.file = "", .text = std::make_shared<const std::string>(config_text(flags.models, given_values(flags)))});
  for (const std::string& config : flags.configs) add(read_source(config));
  return sources;
}

// --out is the experiment's directory, or holds one directory for each of several.
ConfigChanges changes_of(const RunFlags& flags, const Source& source, bool several) {
  ConfigChanges changes{.set = flags.set, .vary = source.cell.set, .suffix = source.cell.suffix};
  if (!flags.out.empty()) {
    std::string out = flags.out;
    if (several) out += "/" + directory_name(source.experiment_name);
    changes.set.push_back(text_override("out_dir", out));
    changes.one_place = true;
  }
  return changes;
}

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

std::string outcome_text(const ExperimentOutcome& outcome) {
  if (outcome.skipped) return "skipped: complete already";
  switch (outcome.code) {
    case ExitCode::valid:
      return "valid";
    case ExitCode::invalid:
      return "invalid";
    case ExitCode::threshold:
      return "valid; a threshold was missed";
    case ExitCode::tenant_died:
      return "a tenant died";
    default:
      return is_interruption(outcome.code) ? "interrupted" : "failed";
  }
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
  command.add_option("config", flags->configs, "YAML files, one experiment each");
  command.add_option("--set", flags->set, "key=value: changes a configuration, e.g. tenants.0.batch_size=4")
      .one_value_each();
  command.add_option("--vary", flags->vary, "key=a,b,c: one experiment for each value; repeated: the grid")
      .one_value_each();
  command.add_flag("--baselines", flags->series.baselines, "each distinct tenant alone first, for slowdowns");
  add_baseline_search_flag(command, flags->no_baseline_search);
  command.add_option("--repeat", flags->series.repeats, "whole runs, interleaved with their baselines").range(1, 1000);
  command.add_option("--out", flags->out, "directory of the results instead of the configuration's").not_empty();
  command.add_flag("--no-save", flags->no_save, "keep no files");
  command.add_flag("--skip-existing", flags->series.skip_existing,
                   "not those whose directory holds a complete run of the same configuration");
  command.add_flag("--keep-going", flags->series.keep_going, "past experiments that fail");
  command.add_flag("--strict", flags->series.strict, "every warning makes a run invalid (exit code 4)");
  command.add_option("--sleep", flags->series.sleep_s, "seconds between runs, instead of sleep_duration")
      .range(0.0, 86400.0);
  command
      .add_option("--deadline", flags->series.deadline_s,
                  "give up a tenant that spends more seconds than this in one phase (load, prepare, warm up, stop)")
      .range(0.01, 86400.0);
  command
      .add_option("--find-max-rate", flags->find_max_rate,
                  "runs at higher and lower rates of this tenant (all: of all that have one), to the highest at which "
                  "every slo is met by its percentile of requests (99)")
      .not_empty();
  command.add_flag("--json", flags->json, "the analysis as JSON instead of tables");
  command.add_flag("--quiet,-q", flags->quiet, "no progress; warnings and results only");
  command.add_flag("--verbose,-v", flags->verbose, "what workers print, and details behind the table");
  command
      .add_option("--model", flags->models, "a model to run, without a configuration file; repeated: one tenant each")
      .one_value_each()
      .group("Without a configuration file");
  add_key_flags(command, *flags);
  command.callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace cotenant
