#include "analysis/compare.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/experiment_path.h"
#include "cli/metric_option.h"
#include "report/compare_text.h"

namespace cotenant {
namespace {

struct Options {
  std::string before, after, metric = "latency", min_effect = "2%";
  bool fail_if_slower = false, json = false;
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

int compare(const Options& options) {
  CompareRequest request;
  request.before = experiment_directory(options.before);
  request.after = experiment_directory(options.after);
  request.metric = metric_named(options.metric);
  request.min_effect = fraction(options.min_effect);
  const Comparison comparison = compare_runs(request);
  print_all(options.json ? comparison_json(comparison) : comparison_table(comparison, colour_wanted()));
  const auto slower = [](const TenantComparison& tenant) { return tenant.change == Change::slower; };
  const bool failed = options.fail_if_slower && std::ranges::any_of(comparison.tenants, slower);
  return static_cast<int>(failed ? ExitCode::threshold : ExitCode::valid);
}

}  // namespace

void add_compare(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("compare", "Says whether a second run of an experiment is faster or slower");
  command->add_option("before", options->before, "A run, or a directory that holds several")->required();
  command->add_option("after", options->after, "The run or runs to judge")->required();
  add_metric_option(*command, options->metric);
  command->add_option("--min-effect", options->min_effect, "The smallest shift worth naming")->capture_default_str();
  command->add_flag("--fail-if-slower", options->fail_if_slower, "Exit code 5 when a tenant is SLOWER");
  command->add_flag("--json", options->json, "One JSON object");
  command->callback([options, &exit_code] { exit_code = compare(*options); });
}

}  // namespace cotenant
