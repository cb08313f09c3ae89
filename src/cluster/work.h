#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/claims.h"
#include "cluster/task.h"
#include "driver/series.h"
#include "process/signals.h"
#include "results/study.h"

namespace cotenant {

struct WorkOptions {
  Shard shard;
  bool retry_failed = false;  // what failed is tried again; heeded by the first of several processes
  bool force = false;         // devices of another model are taken, too
  double lease_s = kLease_s;
  std::string device;  // to which this process is pinned, for the record; empty: none
};

// Whether the processes of a job that start together see the same directory: each leaves a mark and looks for those of
// the others. Throws usage_error when some do not appear in time, or a signal comes.
void check_is_shared(const StudyFiles& files, const ClusterTask& task, SignalWatch& signals);

// What failed before, or was invalid, is put back; what there is of it goes aside.
void put_failed_back(const StudyFiles& files);

// Takes the next run that nobody has, until all are complete or have failed; waits for those that others have, in case
// they die. A run that is invalid is put back once; one whose tenant died has failed and is not tried again. Three
// failures in a row end this process: the machine is the likelier reason. So does an error that is not a tenant's, as
// of a full disk; the run is put back then, once. `options.lock` and `options.save` are overruled. Throws as
// run_series, and usage_error where this machine's device is of another model than the study's.
std::vector<ExperimentOutcome> work_on(const StudyFiles& files, const StudyPlan& plan,
                                       const std::optional<ClusterTask>& task, const WorkOptions& work,
                                       SeriesOptions options, SignalWatch& signals, const SeriesEvents& events);

}  // namespace cotenant
