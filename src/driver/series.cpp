#include "driver/series.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/directory.h"
#include "base/temporary_directory.h"
#include "base/text.h"
#include "driver/existing.h"
#include "results/attainment.h"
#include "results/experiment_dir.h"
#include "results/output_file.h"
#include "results/reader.h"
#include "results/tenant_files.h"
#include "worker/messages.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::optional<ExitCode> existing_run(const fs::path& directory, const ExperimentPlan& plan,
                                     const SeriesOptions& options) {
  if (!options.skip_existing) return std::nullopt;
  return outcome_of_existing(directory, plan, {options.baselines, options.repeats});
}

std::string longest_file_of(const TenantPlan& tenant) {
  return fmt::format("{}/{}_latencies_ms.csv", tenant.record.directory, file_stem(tenant.record));
}

// Where the results of a run are that nobody keeps. The keeper removes it when this process is killed.
class PassingDirectory {
 public:
  explicit PassingDirectory(Keeper& keeper) : keeper_(keeper), directory_(std::in_place), path_(directory_->path()) {
    keeper_.at_end(removal());
  }
  PassingDirectory(const PassingDirectory&) = delete;
  ~PassingDirectory() {
    directory_.reset();
    keeper_.not_at_end(removal());
  }

  const fs::path& path() const { return path_; }

 private:
  std::vector<std::string> removal() const { return {"remove-temporary", path_.string()}; }

  Keeper& keeper_;
  std::optional<TemporaryDirectory> directory_;
  const fs::path path_;
};

class Series {
 public:
  Series(SignalWatch& signals, const SeriesOptions& options, const SeriesEvents& events)
      : options_(options),
        events_(events),
        signals_(signals),
        keeper_(options.executable),
        context_{.keeper = keeper_,
                 .signals = signals_,
                 .executable = options.executable,
                 .command = options.command,
                 .strict = options.strict,
                 .show = events.show,
                 .log = events.log,
                 .notice = events.notice,
                 .deadline_s = options.deadline_s} {}

  ExperimentOutcome run(const PlannedExperiment& experiment) {
    ExperimentOutcome outcome;
    outcome.name = experiment.name;
    std::optional<PassingDirectory> passing;
    std::optional<ExperimentPlan> planned;
    try {
      if (experiment.error) throw *experiment.error;
      if (!options_.save) passing.emplace(keeper_);
      const ExperimentPlan& plan = planned.emplace(experiment.plan());
      const fs::path directory = passing ? passing->path() / "run" : fs::path(plan.out_dir);
      const std::optional<ExitCode> existing = existing_run(directory, plan, options_);
      if (existing) {
        outcome.directory = directory;
        outcome.skipped = true;
        outcome.code = *existing;
      } else {
        run_plan(plan, directory, outcome);
      }
    } catch (const Error& error) {
      outcome.code = error.code();
      outcome.error = error.what();
    } catch (
        const std::exception& error) {  // of the standard library, as no memory: this experiment's, not the series'
      outcome.code = ExitCode::internal;
      outcome.error = internal_error(experiment.name, error.what()).what();
    }
    keeper_.last_words("");
    if (events_.finished) events_.finished(outcome);
    if (is_complete(outcome.code) && !outcome.skipped) remember_baselines(*planned, outcome.directory);
    if (!options_.save) outcome.directory.clear();
    return outcome;
  }

 private:
  void run_plan(const ExperimentPlan& plan, const fs::path& path, ExperimentOutcome& outcome) {
    reasons_.clear();  // of one that ended with an error
    missed_.clear();
    warnings_.clear();
    ExperimentDirectory directory(path, options_.lock);
    if (options_.save)
      keeper_.last_words(fmt::format("cotenant: killed; what was measured is in {}, and the next run of {} keeps it",
                                     one_line(directory.staging().string()), one_line(plan.run.name)));
    tell_models(plan.run);
    try {
      outcome.code = run_all(plan, directory.staging());
      outcome.reasons = std::exchange(reasons_, {});
      outcome.missed = std::exchange(missed_, {});
      outcome.warnings = std::exchange(warnings_, {});
    } catch (const Error&) {  // a full disk: what there is, is kept, and the earlier run stands
      outcome.directory = keep(directory);
      throw;
    }
    if (is_complete(outcome.code)) {
      try {
        directory.commit();
      } catch (const Error&) {
        outcome.directory = keep(directory);
        throw;
      }
      outcome.directory = path;
      copy_elsewhere(plan.run, path);
    } else {
      outcome.directory = directory.abandon();
    }
  }

  // Where the results of a run are that could not be put into its place; empty: there are none.
  static fs::path keep(ExperimentDirectory& directory) {
    if (directory.blank()) return {};
    std::error_code error;
    try {
      return directory.abandon();
    } catch (const Error&) {  // as on a file system that is read-only now
      return fs::is_directory(directory.staging(), error) ? directory.staging() : fs::path();
    }
  }

  // The experiment and its baselines, again and again, so that what drifts reaches both alike. The first run is the
  // directory's own, later ones are in repeats/02, repeats/03, ...
  ExitCode run_all(const ExperimentPlan& plan, const fs::path& root) {
    ExitCode worst = ExitCode::valid;
    for (int repeat = 1; repeat <= options_.repeats; ++repeat) {
      const fs::path directory = repeat == 1 ? root : root / "repeats" / fmt::format("{:02}", repeat);
      if (options_.repeats > 1) notice(fmt::format("{}: run {} of {}", plan.run.name, repeat, options_.repeats));
      const ExitCode code = run_once(plan, directory);
      if (code != ExitCode::valid) worst = code;
      if (!is_complete(code)) break;
    }
    return worst;
  }

  ExitCode run_once(const ExperimentPlan& plan, const fs::path& directory) {
    ExitCode worst = ExitCode::valid;
    if (options_.baselines || plan.with_baselines) {
      for (const BaselinePlan& baseline : plan.baselines) {
        if (copy_baseline(baseline, directory / "baselines" / baseline.directory)) continue;
        const ExitCode code = run_one(plan, baseline.run, directory / "baselines" / baseline.directory);
        if (code != ExitCode::valid) worst = code;
        if (!is_complete(code)) return code;
      }
    }
    const ExitCode code = run_one(plan, plan.run, directory);
    return code != ExitCode::valid ? code : worst;
  }

  ExitCode run_one(const ExperimentPlan& plan, const RunPlan& run, const fs::path& directory) {
    if (const auto stopped = cool_down(options_.sleep_s.value_or(plan.sleep_duration_s))) return *stopped;
    const ExperimentRecord record = run_experiment(run, directory, context_);
    for (const std::string& reason : record.validity.reasons) reasons_.push_back(run.name + ": " + reason);
    for (const TenantRecord& tenant : record.tenants)
      if (misses_threshold(tenant)) missed_.push_back(fmt::format("{}: {}", run.name, missed_threshold_text(tenant)));
    for (const WarningRecord& warning : record.validity.warnings)
      warnings_.push_back({run.name + ": " + warning.what, warning.remedy});
    return exit_code_of(record);
  }

  void remember_baselines(const ExperimentPlan& plan, const fs::path& path) {
    if (!options_.save || options_.repeats > 1) return;
    for (const BaselinePlan& baseline : plan.baselines) {
      const fs::path measured = path / "baselines" / baseline.directory;
      const auto record = read_record(measured);  // none: this experiment has measured no baselines
      if (record && record->validity.valid) measured_.emplace(identity_of(baseline.run), measured);
    }
  }

  // False: it is to be measured.
  bool copy_baseline(const BaselinePlan& baseline, const fs::path& to) {
    const auto found = measured_.find(identity_of(baseline.run));
    if (found == measured_.end()) return false;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (!error) fs::copy(found->second, to, fs::copy_options::recursive, error);
    if (error) {
      fs::remove_all(to, error);
      return false;
    }
    notice(fmt::format("{}: as measured for {}", baseline.run.name,
                       found->second.parent_path().parent_path().filename().string()));
    return true;
  }

  // Between two runs of the command. A signal ends it.
  std::optional<ExitCode> cool_down(double seconds) {
    if (!std::exchange(ran_before_, true) || seconds <= 0) return std::nullopt;
    notice(fmt::format("cooling down for {}", format_duration_s(seconds)));
    const int64_t until_ns = now_ns() + s_to_ns(seconds);
    while (now_ns() < until_ns) {
      pollfd descriptor{signals_.fd(), POLLIN, 0};
      ::poll(&descriptor, 1, static_cast<int>(std::min(1000.0, ns_to_ms(until_ns - now_ns()) + 1)));
      if (const auto number = signals_.take()) return interrupted_by(*number);
    }
    return std::nullopt;
  }

  // A tenant's own out_dir, where the configuration puts one outside of the experiment's.
  void copy_elsewhere(const RunPlan& run, const fs::path& path) {
    if (!options_.save) return;
    for (const TenantPlan& tenant : run.tenants) {
      if (tenant.out_dir.empty()) continue;
      check_tenant_place(tenant.out_dir, path);  // again: it has been a while
      make_directory(tenant.out_dir, "Change the tenant's out_dir.");
      for (const auto& entry : fs::directory_iterator(path / tenant.record.directory))
        write_copy(entry.path(), fs::path(tenant.out_dir) / entry.path().filename());
    }
  }

  // What each distinct model's weights are, and what it needs.
  void tell_models(const RunPlan& run) const {
    std::set<std::string> told;
    for (const TenantPlan& tenant : run.tenants) {
      const TenantRecord& record = tenant.record;
      if (record.weights_origin.empty()) continue;
      std::string line = fmt::format("{}: {}", record.model, record.weights_origin);
      if (record.weights_bytes > 0)  // on a GPU the worker finds it out
        line += fmt::format("; needs {} for weights and {} for activations", format_bytes(record.weights_bytes),
                            format_bytes(record.activation_bytes));
      if (told.insert(line).second) notice(line);
    }
  }

  void notice(const std::string& line) const {
    if (events_.notice) events_.notice(line);
  }

  const SeriesOptions& options_;
  const SeriesEvents& events_;
  SignalWatch& signals_;
  Keeper keeper_;
  RunContext context_;
  bool ran_before_ = false;
  std::map<std::string, fs::path> measured_;  // valid baselines of this series by identity
  std::vector<std::string> reasons_;          // of the experiment at hand, as the next
  std::vector<std::string> missed_;
  std::vector<WarningRecord> warnings_;
};

bool ends_series(const ExperimentOutcome& outcome, const SeriesOptions& options) {
  if (is_interruption(outcome.code)) return true;
  return !is_complete(outcome.code) && !options.keep_going;
}

}  // namespace

void check_places(const ExperimentPlan& plan, const SeriesOptions& options, PlaceCheck& places) {
  if (!options.save) {
    const TemporaryDirectory temporary;
    return;
  }
  if (existing_run(plan.out_dir, plan, options)) return;  // nothing is going to be written
  std::vector<std::string> names;
  for (const TenantPlan& tenant : plan.run.tenants) names.push_back(longest_file_of(tenant));
  if (options.baselines || plan.with_baselines)
    for (const BaselinePlan& baseline : plan.baselines)
      names.push_back(
          fmt::format("baselines/{}/{}", baseline.directory, longest_file_of(baseline.run.tenants.front())));
  places.check(plan.out_dir, names, options.lock);
  for (const TenantPlan& tenant : plan.run.tenants)
    if (!tenant.out_dir.empty())
      places.check(tenant.out_dir, std::vector{fs::path(longest_file_of(tenant)).filename().string()});
}

std::string identity_of(const RunPlan& baseline) {
  ExperimentRecord record;
  record.settings = baseline.settings;
  record.settings.experiment_name.clear();
  record.settings.config_file.clear();
  record.settings.overrides.clear();
  record.settings.sleep_duration_s = 0;
  record.devices = baseline.devices;
  command::Order order;
  for (const TenantPlan& tenant : baseline.tenants) {
    order.tenants.push_back(tenant.order);
    record.tenants.push_back(tenant.record);
    record.tenants.back().kind.clear();
    record.tenants.back().kind_with_share.clear();
  }
  std::string text = to_json(record) + to_json(Command{"", order});
  for (const auto& [name, value] : baseline.environment) text += fmt::format("{}={}\n", name, value);
  return text;
}

std::vector<ExperimentOutcome> run_series(const NextExperiment& next, SignalWatch& signals,
                                          const SeriesOptions& options, const SeriesEvents& events) {
  Series series(signals, options, events);
  std::vector<ExperimentOutcome> outcomes;
  while (const PlannedExperiment* experiment = next()) {
    outcomes.push_back(series.run(*experiment));
    if (ends_series(outcomes.back(), options)) break;
  }
  return outcomes;
}

std::vector<ExperimentOutcome> run_series(const std::vector<PlannedExperiment>& experiments, SignalWatch& signals,
                                          const SeriesOptions& options, const SeriesEvents& events) {
  auto next = experiments.begin();
  return run_series([&]() { return next == experiments.end() ? nullptr : &*next++; }, signals, options, events);
}

ExitCode exit_code_of(const std::vector<ExperimentOutcome>& outcomes) {
  const auto failed =
      std::ranges::find_if(outcomes, [](const ExperimentOutcome& outcome) { return outcome.code != ExitCode::valid; });
  return failed == outcomes.end() ? ExitCode::valid : failed->code;
}

}  // namespace cotenant
