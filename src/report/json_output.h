#pragma once

#include <span>
#include <string>

#include "analysis/analysis.h"
#include "analysis/sensitivity.h"

namespace cotenant {

// `cotenant analyze --json`: one object, or a list of them for several experiments; docs/metrics.md defines the
// figures. What is unknown or not finite is null. Ends with a newline.
std::string json_output(std::span<const ExperimentAnalysis> experiments);

// Of a sweep (the key `vary`): {"experiments": [as above], "sensitivity": [a table per tenant]}.
std::string sweep_json(std::span<const ExperimentAnalysis> experiments, std::span<const SensitivityTable> tables);

}  // namespace cotenant
