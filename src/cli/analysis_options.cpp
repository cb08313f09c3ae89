#include "cli/analysis_options.h"

#include <array>
#include <vector>

#include "base/error.h"

namespace cotenant {
namespace {

constexpr std::array metrics{Metric::latency, Metric::gpu, Metric::ttft, Metric::tpot, Metric::itl};

}  // namespace

void add_metric_option(Subcommand& command, std::string& metric) {
  std::vector<std::string> names;
  for (const Metric each : metrics) names.emplace_back(to_string(each));
  command.add_option("--metric", metric, "The column that statistics, tests and plots are about")
      .one_of(names)
      .show_default();
}

void add_baseline_search_flag(Subcommand& command, bool& no_baseline_search) {
  command.add_flag("--no-baseline-search", no_baseline_search,
                   "Only baselines that the experiment has itself, or that are named: none is looked for beside it");
}

Metric metric_named(const std::string& name) {
  for (const Metric each : metrics)
    if (to_string(each) == name) return each;
  throw usage_error("--metric", "unknown column " + name);
}

}  // namespace cotenant
