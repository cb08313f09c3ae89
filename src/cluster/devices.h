#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "process/signals.h"

// One process per device on this host, each for its share of a study.
namespace cotenant {

struct WorkerDevice {
  std::string label;      // for people: "GPU 0", "CPU 1"
  std::string uuid;       // of a GPU; empty: the CPU
  std::vector<int> cpus;  // to which the process is pinned; empty: as this one
};

// "all": the GPUs that this process sees; "0,1": these of them; "cpu,cpu": two processes without. Each has the CPUs of
// its GPU's NUMA node, as far as this process may use them; devices with the same CPUs divide them by whole cores,
// unless there are fewer cores than devices. Throws usage_error: no such GPU, none at all, no such list.
std::vector<WorkerDevice> devices_named(const std::string& list);

// Divides what several have in common, as devices_named does. A pure function: `cores` are lists of the hardware
// threads of one core.
std::vector<std::vector<int>> divided_cores(const std::vector<std::vector<int>>& cores, size_t among);

struct DeviceWorkers {
  std::vector<WorkerDevice> devices;
  std::vector<std::string> arguments;  // of this program, for each
  std::string executable = "/proc/self/exe";
};

// Runs one process for each device until all have ended. On a terminal a line for each stands below what they have to
// say; elsewhere all their lines come with the device's name before them. A signal goes to all. Should this process be
// killed, they end. Returns the first exit code that is not 0, in order of devices; a process that was killed counts as
// ExitCode::tenant_died.
ExitCode run_device_workers(const DeviceWorkers& workers, SignalWatch& signals);

}  // namespace cotenant
