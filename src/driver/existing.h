#pragma once

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "driver/plan.h"

namespace cotenant {

// What is asked for besides the plan.
struct WantedRuns {
  bool baselines = false;
  int repeats = 1;
};

// For --skip-existing: how the complete run that `directory` holds ended (valid, invalid, threshold); nothing when it
// holds none, and there is something to run. Throws usage_error when it is a run of another configuration, and names
// what differs: its results would pass for those that were asked for.
std::optional<ExitCode> outcome_of_existing(const std::filesystem::path& directory, const ExperimentPlan& plan,
                                            const WantedRuns& wanted);

}  // namespace cotenant
