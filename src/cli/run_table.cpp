#include "cli/run_table.h"

#include "analysis/analysis.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/output.h"
#include "process/command.h"
#include "report/text.h"

namespace cotenant {
namespace {

constexpr double kTablePatience_s = 3600;  // 10 s for each gigabyte of events

}  // namespace

std::string run_table(const RunTableOptions& options) {
  SpawnRequest request;
  request.arguments = {"run-table", options.directory};
  if (options.colour) request.arguments.emplace_back("--colour");
  if (options.details) request.arguments.emplace_back("--details");
  if (options.unsaved) request.arguments.emplace_back("--unsaved");
  if (!options.search_baselines) request.arguments.emplace_back("--no-baseline-search");
  const auto result = run_command(std::move(request), "", now_ns() + s_to_ns(kTablePatience_s));
  if (result && result->status.clean()) return result->output;
  throw usage_error(options.directory,
                    result ? "cannot be analysed: " + result->output : "is still being analysed after an hour",
                    "See `cotenant analyze`.");
}

void print_run_table(const RunTableOptions& options) {
  AnalysisRequest request;
  request.directory = options.directory;
  request.search_baselines = options.search_baselines;
  ExperimentAnalysis analysis = analyze_experiment(request);
  if (options.unsaved) analysis.directory.clear();
  std::string text = experiment_table(analysis, options.colour);
  if (options.details) text += "\n" + experiment_details(analysis, options.colour);
  print_all(text);
}

}  // namespace cotenant
