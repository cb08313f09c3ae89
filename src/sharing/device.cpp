#include "sharing/device.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/device_name.h"
#include "base/error.h"
#include "engine/native/devices.h"
#include "sharing/mig.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

// Why a mode cannot divide this GPU here, and what to do; empty: it can.
std::pair<std::string, std::string> cuda_obstacle(SharingMode mode, const std::string& device) {
  switch (mode) {
    case SharingMode::timeslice:
    case SharingMode::streams:
      return {};
    case SharingMode::mps:
      if (const std::string problem = mps_problem(); !problem.empty())
        return {problem, "It belongs to the driver: install nvidia-cuda-mps, or the driver's own package."};
      return mps_place_problem();
    case SharingMode::green:
      if (cuda_status().devices.at(device_ordinal(device)).sm_groups < 2)
        return {"the driver or the GPU has no green contexts",
                "They need a driver for CUDA 12.5 or later, and a build with such a toolkit."};
      return {};
    case SharingMode::mig:
      if (const std::string problem = mig_problem(device); !problem.empty())
        return {
            problem,
            "cotenant uses the instances that are there and makes none: nvidia-smi -mig 1, then nvidia-smi mig -cgi "
            "... -C."};
      return {};
    case SharingMode::partition:
      return {"partition divides the cores of a CPU", "Use timeslice, mps, streams, green or mig."};
  }
  return {};
}

bool is_uuid(const std::string& device) {
  return device.starts_with("GPU-");
}

// Its place among the devices that this process sees.
size_t index_of(const std::string& device, const std::vector<CudaDevice>& devices) {
  if (!is_uuid(device)) return device_ordinal(device);
  const auto found = std::ranges::find(devices, device, &CudaDevice::uuid);
  if (found == devices.end())
    throw usage_error("device", fmt::format("there is no {} here", device),
                      "`nvidia-smi -L` lists the GPUs; CUDA_VISIBLE_DEVICES may hide some.");
  return static_cast<size_t>(found - devices.begin());
}

}  // namespace

std::string resolve_device(const std::string& device) {
  if (device == "cpu") return device;
  const CudaStatus status = cuda_status();
  if (device == "auto") {
    const auto usable = std::ranges::find_if(status.devices, [](const CudaDevice& d) { return d.problem.empty(); });
    return usable == status.devices.end() ? "cpu" : fmt::format("cuda:{}", usable - status.devices.begin());
  }
  if (!is_uuid(device)) device_ordinal(device);  // first of all it is a name of one
  if (status.devices.empty())
    throw usage_error("device", fmt::format("{} is not to be had: {}", device, status.problem),
                      "Use device: cpu, or see `cotenant doctor`.");
  const size_t index = index_of(device, status.devices);
  if (index >= status.devices.size())
    throw usage_error("device",
                      fmt::format("expected a CUDA device from 0 to {}, found {}", status.devices.size() - 1, device));
  if (const CudaDevice& found = status.devices[index]; !found.problem.empty())
    throw usage_error("device", found.problem, found.remedy);
  return fmt::format("cuda:{}", index);
}

DeviceRecord describe_device(const std::string& device) {
  DeviceRecord record;
  record.device = device;
  if (device == "cpu") return record;
  const CudaStatus status = cuda_status();
  const CudaDevice& found = status.devices.at(device_ordinal(device));
  record.name = found.name;
  record.uuid = found.uuid;
  record.cuda = cuda_version(status.driver_version);
  record.sm_count = found.sms;
  record.memory_total_bytes = found.total_bytes;
  return record;
}

void check_sharing(SharingMode mode, const std::string& device) {
  const bool cpu = device == "cpu";
  const bool cpu_mode = mode == SharingMode::timeslice || mode == SharingMode::partition;
  if (cpu && !cpu_mode)
    throw usage_error(
        "sharing.mode", fmt::format("{} is a way to share an NVIDIA GPU, and the device is the CPU", to_string(mode)),
        "Use timeslice or partition, or see `cotenant doctor` for what keeps this machine from using a GPU.");
  if (cpu) return;
  if (const auto [problem, remedy] = cuda_obstacle(mode, device); !problem.empty())
    throw usage_error("sharing.mode", fmt::format("{} cannot be used on {}: {}", to_string(mode), device, problem),
                      remedy);
}

bool shares_one_process(SharingMode mode) {
  return mode == SharingMode::streams || mode == SharingMode::green;
}

}  // namespace cotenant
