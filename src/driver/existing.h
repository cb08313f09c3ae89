#pragma once

#include <filesystem>
#include <optional>

#include "driver/plan.h"

namespace cotenant {

// What is asked for besides the plan.
struct WantedRuns {
  bool baselines = false;
  int repeats = 1;
};

// For --skip-existing: whether the complete run that `directory` holds is valid; nothing when it holds none, and there
// is something to run. Throws usage_error when it is a run of another configuration, and names what differs: its
// results would pass for those that were asked for.
std::optional<bool> validity_of_existing(const std::filesystem::path& directory, const ExperimentPlan& plan,
                                         const WantedRuns& wanted);

}  // namespace cotenant
