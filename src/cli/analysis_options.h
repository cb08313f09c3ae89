#pragma once

#include <string>

#include "analysis/analysis.h"
#include "cli/command_line.h"

// Options that several subcommands have.
namespace cotenant {

// --metric latency|gpu|ttft|tpot|itl
void add_metric_option(Subcommand& command, std::string& metric);

// --no-baseline-search
void add_baseline_search_flag(Subcommand& command, bool& no_baseline_search);

Metric metric_named(const std::string& name);

}  // namespace cotenant
