#pragma once

#include <string>

#include "analysis/analysis.h"
#include "cli/command_line.h"

namespace cotenant {

// --metric latency|gpu|ttft|tpot|itl
void add_metric_option(Subcommand& command, std::string& metric);

Metric metric_named(const std::string& name);

}  // namespace cotenant
