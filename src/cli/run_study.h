#pragma once

#include <filesystem>
#include <optional>

#include "cli/run_sources.h"
#include "cluster/task.h"
#include "results/study.h"

// `run` as one of the processes that work on a study (results/study.h).
namespace cotenant {

// --study and what goes with it.
void add_study_options(Subcommand& command, StudyFlags& flags);

// Whether these flags, or a scheduler that has started several processes, ask for a study.
bool is_study(const RunFlags& flags, const std::optional<ClusterTask>& task);

// The plan that the flags come to: every process comes to the same. Throws usage_error.
StudyPlan plan_of(const RunFlags& flags);

// Returns the exit code.
int run_study(RunFlags& flags, const std::optional<ClusterTask>& task);

}  // namespace cotenant
