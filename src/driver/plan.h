#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/experiment.h"
#include "results/record.h"
#include "sharing/share.h"
#include "telemetry/machine.h"
#include "worker/messages.h"

// What is going to be run, with nothing left to decide. Making a plan is also the check of everything that can be
// checked before a process is started or a file written: devices, models, lengths, shares, memory.
namespace cotenant {

struct TenantPlan {
  TenantOrder order;
  TenantRecord record;      // what is known of it before it runs
  std::string out_dir;      // where else its files go; empty: nowhere
  Environment environment;  // of its worker, besides the run's
};

// One run: the experiment itself, or one of its tenants alone.
struct RunPlan {
  std::string name;         // for messages: the experiment's, "distilgpt2 alone"
  std::string config_text;  // config.yaml
  SettingsRecord settings;
  HostRecord host;
  DeviceRecord device;
  std::vector<TenantPlan> tenants;
  bool one_worker = false;              // all tenants as threads of one process
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

// Throws usage_error: a device, mode or CPU that is not there, an unknown model, a sequence longer than the model's
// positions, more memory than the machine has.
ExperimentPlan make_plan(const ExperimentConfig& config, const Machine& machine);

}  // namespace cotenant
