#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "analysis/analysis.h"

// The figures of a page as assets/report.js expects them. What is unknown is null.
namespace cotenant {

nlohmann::ordered_json experiment_data(const ExperimentAnalysis& experiment);

nlohmann::ordered_json comparison_data(std::span<const ExperimentAnalysis> experiments,
                                       std::span<const std::string> links);

}  // namespace cotenant
