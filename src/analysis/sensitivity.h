#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace cotenant {

// How much slower one tenant gets beside a load on one resource after the other: rows are the kinds of stress, columns
// its intensities. Kinds stand in the order in which they came, intensities ascend.
struct SensitivityTable {
  std::string tenant, model;
  int batch_size = 0, seq_len = 0;
  std::string sharing;
  std::vector<std::string> kinds;
  std::vector<double> intensities;
  // [kind][intensity]: latency shared / alone by p50 and by mean, the median where several experiments have that cell;
  // nullopt: not measured, or without a baseline. Beside a load that comes and goes many requests may meet none of it:
  // the median then hides what the mean shows.
  std::vector<std::vector<std::optional<double>>> slowdown_p50, slowdown_mean;
};

// One table for each tenant that is no stressor, over the experiments in which it has exactly one stressor beside it.
// Equal names of another model, shape or sharing mode are tenants of their own. A pure function.
std::vector<SensitivityTable> sensitivity_tables(std::span<const ExperimentAnalysis> experiments);

}  // namespace cotenant
