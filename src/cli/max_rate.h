#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/experiment.h"
#include "config/overrides.h"
#include "results/record.h"
#include "workload/rate_search.h"

// What `cotenant run --find-max-rate` asks of each run, and says of all of them.
namespace cotenant {

inline constexpr double least_percentile = 99;  // of requests that must meet their objectives, where slo names none

// The tenants whose rates are multiplied: that of this name, or with "all" each whose requests come by themselves.
// Throws usage_error where there is none, where one's rate changes by itself, and where no tenant has objectives.
std::vector<size_t> tenants_to_scale(const ExperimentConfig& config, const std::string& name);

// The changes that multiply their rates, and what is added to the experiment's name.
Variation at_multiple(const ExperimentConfig& config, std::span<const size_t> tenants, double multiple);

struct RatePoint {
  double multiple = 1;
  ExperimentRecord record;
  bool carried = false;
  bool by_generator = false;  // not carried, because cotenant itself sent late
  std::string why;            // it was not carried; empty: it was
};
// Carried: valid, no queue grew, and of every tenant with objectives enough requests met them.
RatePoint judge_point(double multiple, ExperimentRecord record);

// A table of the points by their rates, and a sentence that says what was found.
std::string max_rate_text(std::vector<RatePoint> points, const RateSearch& search, std::span<const size_t> tenants,
                          bool colour);

}  // namespace cotenant
