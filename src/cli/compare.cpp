#include "analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/load.h"
#include "base/error.h"
#include "base/printable.h"
#include "cli/analysis_options.h"
#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "report/compare_text.h"
#include "report/json_value.h"
#include "report/modes_text.h"
#include "results/study.h"

namespace cotenant {
namespace {

struct CompareOptions {
  std::string before, metric = "latency", min_effect = "2%";
  std::vector<std::string> after;
  bool fail_if_slower = false, allow_unclear = false, no_baseline_search = false, json = false;
};

// "2%" or "0.02".
double fraction(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool percent = std::string_view(end) == "%";
  if (end == text.c_str() || !(percent || *end == '\0') || !(value >= 0 && value < (percent ? 100 : 1)))
    throw usage_error("--min-effect", "expected a share such as 2% or 0.02, found " + text);
  return percent ? value / 100 : value;
}

// With its baselines where they can be used: what cannot be the baseline of a run is no reason not to compare it.
// nullopt for a directory of several runs.
std::optional<ExperimentAnalysis> analysis_of(const std::filesystem::path& directory, const CompareOptions& options) {
  if (!is_experiment(directory)) return std::nullopt;
  AnalysisRequest request;
  request.directory = directory;
  request.metric = metric_named(options.metric);
  request.search_baselines = !options.no_baseline_search;
  try {
    return analyze_experiment(request);
  } catch (const Error&) {
    request.find_baselines = false;
    return analyze_experiment(request);
  }
}

// All runs beside each other; none if one of them is a directory of several.
std::vector<ExperimentAnalysis> analyses_of(const std::vector<std::filesystem::path>& directories,
                                            const CompareOptions& options) {
  std::vector<ExperimentAnalysis> runs;
  for (const auto& directory : directories) {
    auto run = analysis_of(directory, options);
    if (!run) return {};
    runs.push_back(std::move(*run));
  }
  return runs;
}

void print_json(const std::vector<Comparison>& comparisons, const std::vector<ExperimentAnalysis>& runs) {
  using Json = nlohmann::ordered_json;
  Json all;
  if (comparisons.size() == 1) {
    all = comparison_json(comparisons[0]);
  } else {
    all["comparisons"] = Json::array();
    for (const Comparison& comparison : comparisons) all["comparisons"].push_back(comparison_json(comparison));
  }
  all["runs"] = modes_json(runs);
  print_all(text_of(all));
}

void print_text(const std::vector<Comparison>& comparisons, const std::vector<ExperimentAnalysis>& runs) {
  std::string text = modes_text(runs, comparisons, colour_wanted());
  for (const Comparison& comparison : comparisons)
    text += (text.empty() ? "" : "\n") + comparison_table(comparison, colour_wanted());
  print_all(text);
}

// A gate is shut by what is slower, and by what nobody can say of.
ExitCode judge(const std::vector<Comparison>& comparisons, bool allow_unclear) {
  std::string open;
  for (const Comparison& comparison : comparisons) {
    if (std::ranges::count(comparison.tenants, Change::slower, &TenantComparison::change) > 0)
      return ExitCode::threshold;
    for (const std::string& question : open_questions(comparison)) open += "  " + printable(question) + "\n";
  }
  if (open.empty()) return ExitCode::valid;
  tell(fmt::format("{}: it cannot be told whether a tenant is slower:\n{}", allow_unclear ? "warning" : "cotenant",
                   open));
  if (allow_unclear) return ExitCode::valid;
  tell("  Measure both sides with --repeat 5, or longer; --allow-unclear makes this a warning.\n");
  return ExitCode::cannot_tell;
}

// Behind a gate, a side that is there and cannot be read (its run died before the first request, say) is no mistake of
// whoever typed the command: it cannot be told.
// A study of repeats, which differ in their seed, is several runs of one experiment; any other is not.
void check_side(const std::filesystem::path& side) {
  if (!is_study(side)) return;
  const StudyPlan plan = read_plan(StudyFiles(side));
  for (const StudyRun& run : plan.runs)
    for (const std::string& set : run.cell)
      if (!set.starts_with("seed="))
        throw usage_error(side.string(), fmt::format("is a study of different experiments: {} is varied", set),
                          fmt::format("Compare two of its runs, such as {}, or look at cotenant analyze {}.",
                                      (side / run.name).string(), side.string()));
  if (plan.configurations.size() > 1)
    throw usage_error(side.string(), "is a study of different experiments", "Compare two of its runs.");
}

Comparison compare_sides(const CompareRequest& request, const CompareOptions& options) {
  try {
    return compare_runs(request);
  } catch (const Error& error) {
    if (!options.fail_if_slower || options.allow_unclear) throw;
    throw Error(ExitCode::cannot_tell, error.where(), error.message(), error.remedy());
  }
}

int compare(const CompareOptions& options) {
  if (options.allow_unclear && !options.fail_if_slower)
    throw usage_error("--allow-unclear", "goes with --fail-if-slower only");
  CompareRequest request;
  request.before = experiment_directory(options.before);
  request.metric = metric_named(options.metric);
  request.min_effect = fraction(options.min_effect);
  check_side(request.before);
  std::vector<std::filesystem::path> directories{request.before};
  std::vector<Comparison> comparisons;
  for (const std::string& after : options.after) {
    request.after = experiment_directory(after);
    check_side(request.after);
    directories.push_back(request.after);
    comparisons.push_back(compare_sides(request, options));
  }
  const std::vector<ExperimentAnalysis> runs = analyses_of(directories, options);
  if (options.json)
    print_json(comparisons, runs);
  else
    print_text(comparisons, runs);
  return static_cast<int>(options.fail_if_slower ? judge(comparisons, options.allow_unclear) : ExitCode::valid);
}

}  // namespace

void add_compare(Subcommand& app, int& exit_code) {
  auto options = std::make_shared<CompareOptions>();
  Subcommand command = app.add_subcommand(
      "compare", "Says whether later runs of an experiment are faster or slower, or sharing modes better");
  command.add_option("before", options->before, "A run, or a directory that holds several").required();
  command.add_option("after", options->after, "The run or runs to judge; several: each against the first").required();
  add_metric_option(command, options->metric);
  command.add_option("--min-effect", options->min_effect, "The smallest shift worth naming").show_default();
  command.add_flag("--fail-if-slower", options->fail_if_slower,
                   "Exit code 5 when a tenant is SLOWER, 6 when that cannot be told: UNCLEAR, a tenant that is gone or "
                   "has died, a run that is incomplete or not valid");
  command.add_flag("--allow-unclear", options->allow_unclear,
                   "With --fail-if-slower: what cannot be told is a warning only");
  add_baseline_search_flag(command, options->no_baseline_search);
  command.add_flag("--json", options->json, "One JSON object");
  command.callback([options, &exit_code] { exit_code = compare(*options); });
}

}  // namespace cotenant
