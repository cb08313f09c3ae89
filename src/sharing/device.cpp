#include "sharing/device.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"
#include "engine/native/devices.h"

namespace cotenant {
namespace {

// N of "cuda:N"; "cuda" is the first.
size_t index_of(const std::string& device) {
  size_t index = 0;
  if (device.size() > 5) std::from_chars(device.data() + 5, device.data() + device.size(), index);
  return index;
}

// "13.0" of 13000.
std::string cuda_version(int version) {
  return version == 0 ? "" : fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace

std::string resolve_device(const std::string& device) {
  if (device == "cpu") return device;
  const CudaStatus status = cuda_status();
  if (device == "auto") return status.devices.empty() ? "cpu" : "cuda:0";
  if (status.devices.empty())
    throw usage_error("device", fmt::format("{} is not to be had: {}", device, status.problem),
                      "Use device: cpu, or see `cotenant doctor`.");
  const size_t index = index_of(device);
  if (index >= status.devices.size())
    throw usage_error("device",
                      fmt::format("expected a CUDA device from 0 to {}, found {}", status.devices.size() - 1, device));
  return fmt::format("cuda:{}", index);
}

DeviceRecord describe_device(const std::string& device) {
  DeviceRecord record;
  if (device == "cpu") return record;
  const CudaStatus status = cuda_status();
  const CudaDevice& found = status.devices.at(index_of(device));
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
  const bool cuda_mode = mode == SharingMode::timeslice || mode == SharingMode::streams;
  if (cpu && !cpu_mode)
    throw usage_error(
        "sharing.mode", fmt::format("{} is a way to share an NVIDIA GPU, and the device is the CPU", to_string(mode)),
        "Use timeslice or partition, or see `cotenant doctor` for what keeps this machine from using a GPU.");
  if (!cpu && !cuda_mode)
    throw usage_error("sharing.mode",
                      fmt::format("{} is not available for {} in this version", to_string(mode), device),
                      "Use timeslice or streams.");
}

bool shares_one_process(SharingMode mode) {
  return mode == SharingMode::streams || mode == SharingMode::green;
}

}  // namespace cotenant
