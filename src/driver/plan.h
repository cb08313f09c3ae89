#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "config/experiment.h"
#include "results/record.h"
#include "sharing/share.h"
#include "telemetry/machine.h"
#include "worker/messages.h"

// What is going to be run, with nothing left to decide. Making a plan is also the check of everything that can be
// checked before a process is started or a file written: devices, models, lengths, shares, memory.
namespace cotenant {

// How the program of a tenant is started.
struct ProgramPlan {
  std::string file;         // a path
  Environment environment;  // besides its worker's
};

struct TenantPlan {
  TenantOrder order;
  TenantRecord record;                 // what is known of it before it runs
  std::string out_dir;                 // where else its files go; empty: nowhere
  Environment environment;             // of its worker, besides the run's
  double quiet_s = 0;                  // for which its workload may send nothing, and its engine wait for more
  double longest_request_s = 0;        // after which its engine itself gives a request up; 0: it does not
  std::optional<ProgramPlan> program;  // none: it has none
};

// One run: the experiment itself, or one of its tenants alone.
struct RunPlan {
  std::string name;         // for messages: the experiment's, "distilgpt2 alone"
  std::string config_text;  // config.yaml
  SettingsRecord settings;
  HostRecord host;
  std::vector<DeviceRecord> devices;  // that its tenants are on, each once, by their numbers
  std::vector<TenantPlan> tenants;
  bool one_worker = false;              // all tenants of a device as threads of one process
  Environment environment;              // of the workers
  std::vector<WarningRecord> warnings;  // already known
};

// A tenant alone, under baselines/<directory>.
struct BaselinePlan {
  std::string directory;
  RunPlan run;
};

struct ExperimentPlan {
  std::string out_dir;
  double sleep_duration_s = 0;
  bool with_baselines = false;  // the configuration asks for them
  RunPlan run;
  std::vector<BaselinePlan> baselines;  // each distinct tenant; with and without its share where it has one
};

// How many files the driver of a run has open at once, at most.
uint64_t open_files_needed(const RunPlan& run);

// Of a process on a GPU besides its tensors: the context, the code of kernels and libraries. Measured on an
// H100 80GB: 527.6 and 539 MiB; less than both, so that nothing that fits is refused.
inline constexpr uint64_t gpu_context_bytes = 520ull << 20;

// What a run takes of the memory of one of its GPUs: what the tenants there need, and a context for each process.
// Nothing on the CPU and under mig, where each tenant has a device of its own.
struct DeviceMemoryNeed {
  uint64_t bytes = 0, contexts = 0;
  std::string parts;  // "writer 1.2 GiB, reader 310 MiB, 2 contexts 900 MiB"
};
DeviceMemoryNeed device_memory_needed(const RunPlan& run, const std::string& device);

// `there_is`: "cuda:0 has 79.6 GiB", "13.1 GiB of 79.6 GiB are free".
Error device_memory_error(const RunPlan& run, const std::string& device, const DeviceMemoryNeed& need,
                          const std::string& there_is);

// Throws usage_error: a device, mode or CPU that is not there, an unknown model, a sequence longer than the model's
// positions, more memory than the machine or the
// GPU has, more open files or processes than one may have.
ExperimentPlan make_plan(const ExperimentConfig& config, const Machine& machine);

}  // namespace cotenant
