#pragma once

#include <span>
#include <string>

#include "analysis/analysis.h"

namespace cotenant {

// `cotenant analyze --json`: one object, or a list of them for several experiments; docs/metrics.md defines the
// figures. What is unknown or not finite is null. Ends with a newline.
std::string json_output(std::span<const ExperimentAnalysis> experiments);

}  // namespace cotenant
