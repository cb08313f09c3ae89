#pragma once

#include <string>
#include <vector>

#include "config/experiment.h"
#include "results/study.h"

// The plan of a study: a list that every process comes to from the same command, and that is kept in the study's
// directory, so that a process can also take part without the command.
namespace cotenant {

// What can be said of a run's duration before it has run: of each of its runs the start, the warm-up and
// min_duration_s, and the pauses between them. Requests that take longer (num_iters) are not foreseen.
double estimate_s(const ExperimentConfig& config, const StudyPlan& plan);

// The experiment of a run, with its results in the study. Throws as parse_config.
ExperimentConfig config_of(const StudyFiles& files, const StudyPlan& plan, const StudyRun& run);

// How `asked` differs from the plan that is there: "demo.yaml: tenants.0.batch_size: 8 there, 4 asked for". Empty: it
// does not. Commands and where files lie do not count.
std::vector<std::string> plan_differences(const StudyPlan& there, const StudyPlan& asked);

// Makes the plan the study's, or finds that it is already. Throws usage_error where the directory holds another study,
// or the same with other configurations, and says what differs. With `force` the plan replaces the one that is there;
// complete runs whose configuration changed go aside. Only the process that is `first` does that: others wait for it.
void settle_plan(const StudyFiles& files, const StudyPlan& asked, bool force, bool first);

// The first of all processes to name something: false, and nothing is written, where `file` is there already. Throws
// file_error.
bool publish(const StudyFiles& files, const std::filesystem::path& file, const std::string& text);

// Moves what is there to .study/aside, under a name that is free. Returns where it is; empty: there was nothing.
std::filesystem::path put_aside(const StudyFiles& files, const std::filesystem::path& what);

}  // namespace cotenant
