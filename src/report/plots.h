#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "report/gnuplot.h"

// The pictures of plots/<experiment>/, for gnuplot. A picture about something that the experiment does not have is
// std::nullopt.
namespace cotenant {

// Of the samples
Picture distribution_picture(const ExperimentAnalysis& experiment);
Picture ecdf_picture(const ExperimentAnalysis& experiment);
Picture boxes_picture(const ExperimentAnalysis& experiment);
std::optional<Picture> timeline_picture(const ExperimentAnalysis& experiment);

// Of the figures
Picture latency_picture(const ExperimentAnalysis& experiment);
std::optional<Picture> slowdown_picture(const ExperimentAnalysis& experiment);
std::optional<Picture> throughput_picture(const ExperimentAnalysis& experiment);

std::optional<Picture> telemetry_picture(const ExperimentAnalysis& experiment);
std::optional<Picture> fairness_picture(const ExperimentAnalysis& experiment);  // several tenants only

// Several experiments
std::vector<Picture> comparison_pictures(std::span<const ExperimentAnalysis> experiments);

// All that there are of one experiment.
std::vector<Picture> experiment_pictures(const ExperimentAnalysis& experiment);

}  // namespace cotenant
