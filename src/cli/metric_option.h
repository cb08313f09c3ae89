#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "analysis/analysis.h"

namespace cotenant {

// --metric latency|gpu|ttft|tpot|itl
void add_metric_option(CLI::App& command, std::string& metric);

Metric metric_named(const std::string& name);

}  // namespace cotenant
