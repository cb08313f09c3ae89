#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "results/reader.h"
#include "results/record.h"
#include "results/window.h"

// The files of one experiment as columns. What they say is told in analysis.h; nothing is concluded here.
namespace cotenant {

// What a tenant was asked to do. Equal works may be compared by raw latency.
struct Work {
  std::string model;  // Hugging Face name; for stress its kind
  int batch_size = 0, seq_len = 0, max_new_tokens = 0;
  Task task = Task::forward;                              // forward where the files do not say
  std::optional<double> service_ms = {}, intensity = {};  // of stress
  std::optional<int> footprint_sms = {};

  bool operator==(const Work&) const = default;
};
std::string describe(const Work& work);  // "distilgpt2, batch 8 x 128"

struct LoadedTenant {
  std::string name, directory;
  Work work;
  std::optional<TenantRecord> record;  // ours only
  EventFile events;
  Samples samples;
  size_t outside_window = 0;
  std::optional<AttainmentRecord> attainment;  // where it has objectives

  Tally tally;
  double duration_s = 0;  // of what counts: the window, the time to completion, or the study's time_elapsed
  std::optional<double> completion_s;

  // Ours are always by the host's clock, also where no request was completed; the study's events have no times.
  Clock clock() const { return record || !samples.end_s.empty() ? Clock::host : Clock::cuda_event; }
  std::optional<double> rate_per_s() const {  // nullopt: of no time
    return duration_s > 0 ? std::optional(tally.requests / duration_s) : std::nullopt;
  }
  bool generates() const { return work.task == Task::generate; }
  // Its requests do not wait for one another: below saturation its rate is that of the requests, not its own.
  bool is_open_loop() const { return record && record->workload.is_open(); }
  std::optional<double> tokens_per_s() const;  // output of generate, batch x seq_len of forward
};

struct LoadedExperiment {
  std::string name;
  std::filesystem::path directory;
  std::optional<ExperimentRecord> record;  // nullopt: the study's form
  std::vector<LoadedTenant> tenants;
  std::optional<WindowRecord> window;  // in which all tenants were active
  bool fixed = false;                  // every tenant did its own number of iterations: all of them count
};

// Whether there is anything to load: experiment.json, or a folder with events.jsonl.
bool is_experiment(const std::filesystem::path& directory);

// All but the samples and what follows from them. Throws usage_error for a directory without events, and as
// record_from_json does.
LoadedExperiment open_experiment(const std::filesystem::path& directory);

// Throws as open_experiment and read_events do.
LoadedExperiment load_experiment(const std::filesystem::path& directory);

// What must lie inside the window to count; nullopt: everything counts.
std::optional<WindowRecord> counting_window(const LoadedExperiment& experiment);

// What a directory holds, without reading its samples. Empty when it is no experiment or cannot be read.
std::vector<Work> peek_works(const std::filesystem::path& directory);

// The samples of a column that count, in order of time.
std::vector<double> counted(const Samples& samples, Metric metric);

// "distilgpt2_2" before "distilgpt2_10".
bool natural_less(std::string_view a, std::string_view b);

}  // namespace cotenant
