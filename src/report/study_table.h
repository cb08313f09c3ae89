#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/chips.h"
#include "results/study.h"

namespace cotenant {

// All that the runs of a study say, side by side. What workers wrote after each run is used; what they did not, as of
// runs that were copied here from elsewhere, is analysed now.
struct StudyTable {
  std::vector<std::string> keys;     // that are varied, as `--set` names them
  std::vector<std::string> columns;  // of figures, as in csv_columns()

  struct Row {  // a tenant of a run
    std::string run, experiment;
    std::vector<std::string> values;   // of keys; empty where the run's configuration does not vary that
    std::vector<std::string> figures;  // of columns
    std::string host, device_uuid;     // empty: not known
  };
  std::vector<Row> rows;  // in the plan's order
  size_t planned = 0, complete = 0, failed = 0;
  std::vector<std::string> unreadable;  // runs that are there and cannot be analysed, with the reason
};

// Throws usage_error where the directory holds no study.
StudyTable study_table(const StudyFiles& files);

// Of latency's median: runs of one experiment with the same varied values, but for `seed`, measured the same thing.
ChipSpread chip_spread(const StudyTable& table);

// The answer, then a row per tenant of every run, then chips. Ends with a newline.
std::string study_text(const StudyTable& table, bool colour);
std::string study_markdown(const StudyTable& table);
// Everything, with full precision.
std::string study_csv(const StudyTable& table);
std::string study_json(const StudyTable& table);

}  // namespace cotenant
