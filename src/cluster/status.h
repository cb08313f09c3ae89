#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/study.h"

namespace cotenant {

// How far a study is, from its directory alone: what is complete is there, the rest is told by claims, marks and what
// the workers wrote.
struct StudyStatus {
  struct Running {
    std::string run;
    StudyWorker worker;
    double age_s = 0;  // since its last sign of life
  };

  size_t planned = 0;
  size_t complete = 0;  // those that are there, but those that count as failed
  size_t left = 0;      // neither complete nor failed; those that are running are among them
  std::vector<Running> running;
  std::vector<Running> silent;       // taken by a process that gives no sign any more: to be taken over
  std::vector<StudyOutcome> failed;  // in the plan's order
  std::vector<std::string> again;    // put back once, and not complete yet
  double run_s = 0;                  // mean of those that have ended, before that the plan's estimate
  double work_s = 0;                 // of all that is left, one after another
  std::optional<double> left_s;      // with as many processes as there are now; nullopt: there are none
};

// Throws usage_error where the directory holds no study.
StudyStatus study_status(const StudyFiles& files);

}  // namespace cotenant
