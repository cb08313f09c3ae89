#pragma once

#include <string>

// The table at the end of a run, by a process of its own: an analysis holds columns of all requests, and the driver
// none, however many there were.
namespace cotenant {

struct RunTableOptions {
  std::string directory;
  bool colour = false, details = false;
  bool unsaved = false;  // the files go away with the command, and are not named
  bool search_baselines = true;
};

// Throws usage_error with what the other process said when it could not analyse the directory.
std::string run_table(const RunTableOptions& options);

// `cotenant run-table`: what that process runs.
void print_run_table(const RunTableOptions& options);

}  // namespace cotenant
