#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "results/event.h"
#include "results/iteration_log.h"
#include "results/output_file.h"
#include "results/record.h"

namespace cotenant {

// What the names of a tenant's files begin with, besides events.jsonl: "reader_distilbert_b8_L128".
std::string file_stem(const TenantRecord& tenant);

// Writes one tenant's files into <experiment>/<tenant.directory>: events.jsonl as the run goes, and at its end the
// study's latencies_ms.csv (one number per line, in order of time) and summary.txt, both over all requests that are ok.
// Keeps the iterations for the summary, though not in memory (iteration_log.h). Throws as OutputFile does.
class TenantFiles {
 public:
  TenantFiles(const std::filesystem::path& experiment, const SettingsRecord& settings, const TenantRecord& tenant,
              std::shared_ptr<IterationStore> store);

  void append(const Iteration& iteration);
  // Whether somebody has removed the file that is being written. Then move_to() carries what it holds to
  // <experiment>/<tenant.directory> of another experiment, and writing goes on there.
  bool is_gone() const { return events_.is_gone(); }
  void move_to(const std::filesystem::path& experiment);

  void flush();  // so that a reader of the directory sees them
  // run_end, time_elapsed and the other two files. `whole_run`: over all iterations.
  void finish(const TenantSummary& whole_run);

  const IterationLog& iterations() const { return iterations_; }

 private:
  std::string directory_, stem_;  // of the tenant in its experiment, and of its files
  std::filesystem::path prefix_;  // <directory>/<tenant>_<model>_b8_L128
  std::vector<std::pair<std::string, std::string>> config_;
  bool generates_ = false;
  OutputFile events_;
  IterationLog iterations_;
  int64_t tokens_processed_ = 0;
};

}  // namespace cotenant
