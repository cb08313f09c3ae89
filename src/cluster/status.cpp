#include "cluster/status.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "base/new_file.h"
#include "cluster/claims.h"

namespace cotenant {
namespace {

using Names = std::unordered_set<std::string>;

Names name_set(std::vector<std::string> names) {
  return {std::make_move_iterator(names.begin()), std::make_move_iterator(names.end())};
}

// As the file system has it, where a file may be made there; else as this host has it.
double time_at(const StudyFiles& files) {
  struct stat status;
  try {
    const std::filesystem::path file = files.in("work", std::string(kTemporaryPrefix) + random_name());
    const Fd fd = create_file(file);
    ::unlink(file.c_str());
    if (::fstat(fd.get(), &status) == 0)
      return static_cast<double>(status.st_mtim.tv_sec) + static_cast<double>(status.st_mtim.tv_nsec) * 1e-9;
  } catch (const Error&) {  // a reader who may not write
  }
  return wall_clock_s();
}

}  // namespace

StudyStatus study_status(const StudyFiles& files) {
  const StudyPlan plan = read_plan(files);
  const Names there = name_set(names_in(files.directory())), failed = name_set(names_in(files.in("failed"))),
              again = name_set(names_in(files.in("again")));
  const auto claims = last_claims(files);
  const auto journal = read_journal(files);
  const double now_s = time_at(files);

  StudyStatus status;
  status.planned = plan.runs.size();
  double ended_s = 0, estimated_s = 0;
  size_t ended = 0;
  for (const StudyRun& run : plan.runs) {
    const auto outcome = journal.find(run.name);
    if (failed.contains(run.name)) {
      StudyOutcome unknown;
      unknown.run = run.name;
      status.failed.push_back(read_outcome(files.in("failed", run.name)).value_or(unknown));
    } else if (there.contains(run.name)) {
      ++status.complete;
      if (outcome != journal.end()) {
        ++ended;
        ended_s += outcome->second.seconds;
      }
    } else {
      ++status.left;
      estimated_s += run.estimate_s;
      if (again.contains(run.name)) status.again.push_back(run.name);
      const auto claim = claims.find(run.name);
      if (claim == claims.end()) continue;
      const auto state = claim_state(files, run.name, claim->second, now_s);
      if (!state) continue;
      (state->alive ? status.running : status.silent)
          .push_back({run.name, state->worker.value_or(StudyWorker()), std::max(0.0, state->age_s)});
    }
  }
  if (ended > 0)
    status.run_s = ended_s / static_cast<double>(ended);
  else if (status.left > 0)
    status.run_s = estimated_s / static_cast<double>(status.left);
  status.work_s = status.run_s * static_cast<double>(status.left);
  if (status.left == 0)
    status.left_s = 0;
  else if (!status.running.empty())
    status.left_s = status.work_s / static_cast<double>(status.running.size());
  return status;
}

}  // namespace cotenant
