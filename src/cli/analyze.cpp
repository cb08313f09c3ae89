#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analysis/sensitivity.h"
#include "base/error.h"
#include "base/find_program.h"
#include "base/printable.h"
#include "cli/analysis_options.h"
#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/outlet.h"
#include "cli/output.h"
#include "report/files.h"
#include "report/json_output.h"
#include "report/sensitivity_text.h"
#include "report/study_table.h"
#include "report/text.h"
#include "results/study.h"

namespace cotenant {
namespace {

struct AnalyzeOptions {
  std::vector<std::string> paths;
  std::string metric = "latency";
  std::string baseline, out;
  bool force_baseline = false, no_baseline_search = false, json = false, csv = false, markdown = false,
       no_plots = false;
};

AnalysisRequest request_for(const std::filesystem::path& directory, const AnalyzeOptions& options) {
  AnalysisRequest request;
  request.directory = directory;
  if (!options.baseline.empty()) request.baseline = options.baseline;
  request.force_baseline = options.force_baseline;
  request.search_baselines = !options.no_baseline_search;
  request.metric = metric_named(options.metric);
  return request;
}

std::string tables_of(const std::vector<ExperimentAnalysis>& experiments) {
  const bool colour = colour_wanted();
  std::string text;
  if (experiments.size() > 1) text += comparison_text(experiments, colour) + "\n";
  for (const ExperimentAnalysis& experiment : experiments)
    text += experiment_table(experiment, colour) + "\n" + experiment_details(experiment, colour) + "\n";
  text.pop_back();  // the last of the blank lines between them
  return text;
}

// Output for programs comes without files, unless a place for them is named.
bool wants_files(const AnalyzeOptions& options) {
  const bool for_programs = options.json || options.csv || options.markdown;
  return !options.no_plots && (!for_programs || !options.out.empty());
}

std::optional<std::filesystem::path> place_of_files(const AnalyzeOptions& options) {
  return options.out.empty() ? std::nullopt : std::optional<std::filesystem::path>(options.out);
}

void write_files(const std::vector<ExperimentAnalysis>& experiments, const AnalyzeOptions& options) {
  const std::filesystem::path gnuplot = find_program("gnuplot").value_or("");
  const ReportFiles files = write_report_files(experiments, place_of_files(options), gnuplot);
  tell(fmt::format("report: {}\n", printable(files.pages.back().string())));
  if (gnuplot.empty())
    tell("no plots: there is no gnuplot (Debian and Ubuntu: apt-get install gnuplot-nox)\n");
  else
    tell(fmt::format("plots: {} files in {}\n", files.plots, printable(files.pages.back().parent_path().string())));
}

// A study has figures of thousands of runs, not samples: its table is all there is.
void analyze_study(const AnalyzeOptions& options) {
  if (options.paths.size() > 1) throw usage_error(options.paths.front(), "is a study, which is analysed by itself");
  if (options.metric != "latency" || !options.baseline.empty() || !options.out.empty())
    throw usage_error(options.paths.front(), "is a study: --metric, --baseline and --out are for one of its runs",
                      fmt::format("For example: cotenant analyze {}/RUN.", options.paths.front()));
  const StudyTable table = study_table(StudyFiles(options.paths.front()));
  if (options.json)
    print_all(study_json(table));
  else if (options.csv)
    print_all(study_csv(table));
  else
    print_all(options.markdown ? study_markdown(table) : study_text(table, colour_wanted()));
}

void analyze(const AnalyzeOptions& options) {
  if (std::ranges::any_of(options.paths, [](const std::string& path) { return is_study(path); }))
    return analyze_study(options);
  std::vector<ExperimentAnalysis> experiments;
  bool any_sweep = false;
  for (const std::string& path : options.paths) {
    bool of_sweep = false;
    for (const auto& directory : experiment_directories(path, of_sweep))
      experiments.push_back(analyze_experiment(request_for(directory, options)));
    any_sweep = any_sweep || of_sweep;
  }
  if (wants_files(options)) check_report_places(experiments, place_of_files(options));
  const auto tables = any_sweep ? sensitivity_tables(experiments) : std::vector<SensitivityTable>();
  if (options.json)
    print_all(any_sweep ? sweep_json(experiments, tables) : json_output(experiments));
  else if (options.csv)
    print_all(csv_output(experiments));
  else if (options.markdown)
    print_all(sensitivity_markdown(tables) + markdown_output(experiments));
  else
    print_all(tables_of(experiments) + (tables.empty() ? "" : "\n" + sensitivity_text(tables, colour_wanted())));
  if (wants_files(options)) write_files(experiments, options);
}

}  // namespace

void add_analyze(Subcommand& app, int&) {
  auto options = std::make_shared<AnalyzeOptions>();
  Subcommand command =
      app.add_subcommand("analyze", "Says what an experiment's files say: statistics, plots, a report");
  command
      .add_option("path", options->paths,
                  "Directories of experiments, or their configuration files; or the directory of a study")
      .required()
      .type_name("PATH");
  add_metric_option(command, options->metric);
  command.add_option("--baseline", options->baseline, "The tenants alone: an experiment, or a directory of several")
      .type_name("DIR");
  command.add_flag("--force-baseline", options->force_baseline, "Use a baseline of other work or of another machine");
  add_baseline_search_flag(command, options->no_baseline_search);
  Option json = command.add_flag("--json", options->json, "One JSON object, or a list of them for several paths");
  Option csv = command.add_flag("--csv", options->csv, "A row per tenant");
  const Option markdown = command.add_flag("--markdown", options->markdown, "Tables for a document");
  json.excludes(csv).excludes(markdown);
  csv.excludes(markdown);
  command.add_flag("--no-plots", options->no_plots, "Write no plots and no report.html");
  command
      .add_option(
          "--out", options->out,
          "Where plots and report.html go; default: plots/<experiment>, and nowhere with --json, --csv, --markdown")
      .type_name("DIR")
      .not_empty();
  command.callback([options] { analyze(*options); });
}

}  // namespace cotenant
