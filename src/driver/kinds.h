#pragma once

#include <vector>

#include "config/experiment.h"
#include "driver/plan.h"

namespace cotenant {

// The runs of each distinct tenant alone, of those that have requests, under the same settings and with the same host
// threads. Equal tenants are one kind. A tenant with a share (sm_percent, or the CPUs of a partition) has two: with
// that share and without. Writes the kinds' names into the tenants of `run`.
std::vector<BaselinePlan> plan_baselines(RunPlan& run, const ExperimentConfig& config);

}  // namespace cotenant
