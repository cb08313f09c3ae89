#include "engine/native/cuda/device.h"

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <charconv>
#include <ranges>
#include <tuple>
#include <utility>

#include "base/device_name.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/green_share.h"

namespace cotenant {
namespace {

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// What keeps this process from using CUDA at all, in one line with what to do; empty: nothing.
std::string driver_problem(int driver, cudaError_t count_error) {
  if (driver == 0) return "no NVIDIA driver is loaded; install one, or use device: cpu";
  if (count_error == cudaErrorInsufficientDriver)
    return fmt::format(
        "the driver supports CUDA {}, this build needs {}; update the driver or build with an older toolkit",
        version_text(driver), version_text(CUDART_VERSION));
  if (count_error == cudaErrorNoDevice) return "the driver sees no device; check CUDA_VISIBLE_DEVICES and nvidia-smi";
  if (count_error != cudaSuccess)
    return fmt::format("the driver answers {} ({})", cudaGetErrorName(count_error), cudaGetErrorString(count_error));
  return "";
}

// What keeps this build from running on a device, and what to do; empty: nothing.
std::pair<std::string, std::string> capability_problem(const std::string& name, int major, int minor) {
  constexpr int least_major = 8;
  if (major < least_major)
    return {fmt::format("{} has compute capability {}.{}, the CUDA engine needs {}.0 or newer", name, major, minor,
                        least_major),
            "Use device: cpu, or a newer GPU."};
  if (architectures_cover(COTENANT_CUDA_ARCHITECTURES, major, minor)) return {};
  return {fmt::format("{} has compute capability {}.{}, this build has code for {}", name, major, minor,
                      COTENANT_CUDA_ARCHITECTURES),
          fmt::format("Build with -DCMAKE_CUDA_ARCHITECTURES={}{}.", major, minor)};
}

int attribute(cudaDeviceAttr which, int ordinal) {
  int value = 0;
  COTENANT_CUDA("open the device", cudaDeviceGetAttribute(&value, which, ordinal));
  return value;
}

}  // namespace

DeviceFacts open_device(const std::string& device, const DeviceShare* share) {
  DeviceFacts facts = examine_device(device, share);
  COTENANT_CUDA("open the device", cudaSetDevice(facts.ordinal));
  return facts;
}

DeviceFacts examine_device(const std::string& device, const DeviceShare* share) {
  const size_t wanted = device_ordinal(device);
  int driver = 0, count = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (const std::string problem = driver_problem(driver, error); !problem.empty()) throw usage_error(device, problem);
  if (wanted >= static_cast<size_t>(count))
    throw usage_error(device,
                      fmt::format("there {} {} CUDA device{}", count == 1 ? "is" : "are", count, count == 1 ? "" : "s"),
                      fmt::format("Use cuda:0{}.", count > 1 ? fmt::format(" to cuda:{}", count - 1) : ""));
  const auto ordinal = static_cast<int>(wanted);
  DeviceFacts facts;
  facts.ordinal = ordinal;
  cudaDeviceProp properties{};
  COTENANT_CUDA("open the device", cudaGetDeviceProperties(&properties, ordinal));
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.sms = share ? share->sms() : attribute(cudaDevAttrMultiProcessorCount, ordinal);
  facts.l2_bytes = static_cast<size_t>(attribute(cudaDevAttrL2CacheSize, ordinal));
  facts.shared_bytes_per_block = static_cast<size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin, ordinal));
  if (const auto [problem, remedy] = capability_problem(facts.name, facts.major, facts.minor); !problem.empty())
    throw usage_error(device, problem, remedy);
  return facts;
}

bool architectures_cover(std::string_view architectures, int major, int minor) {
  for (const auto& word : std::views::split(architectures, std::string_view(" "))) {
    const std::string_view architecture(word.begin(), word.end());
    int number = 0;
    const auto [rest, error] = std::from_chars(architecture.begin(), architecture.end(), number);
    if (error != std::errc()) return true;
    const bool binary = !architecture.ends_with("-virtual"), ptx = !architecture.ends_with("-real");
    if (binary && number / 10 == major && number % 10 <= minor) return true;
    if (ptx && number <= 10 * major + minor) return true;
  }
  return false;
}

// Asks for properties only: a context in the driver's process would take memory from the tenants and be listed among
// the programs that use the device.
CudaStatus query_status() {
  CudaStatus status;
  if (cudaDriverGetVersion(&status.driver_version) != cudaSuccess) status.driver_version = 0;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  status.problem = driver_problem(status.driver_version, error);
  for (int i = 0; status.problem.empty() && i < count; ++i) {
    cudaDeviceProp properties{};
    CudaDevice device;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    device.name = properties.name;
    device.total_bytes = properties.totalGlobalMem;
    device.compute_major = properties.major;
    device.compute_minor = properties.minor;
    device.sms = properties.multiProcessorCount;
    const auto* id = reinterpret_cast<const unsigned char*>(properties.uuid.bytes);
    device.uuid = "GPU-";
    for (int byte = 0; byte < 16; ++byte)
      device.uuid += fmt::format("{}{:02x}", byte == 4 || byte == 6 || byte == 8 || byte == 10 ? "-" : "", id[byte]);
    device.sm_groups = count_sm_groups(i);
    std::tie(device.problem, device.remedy) =
        capability_problem(device.name, device.compute_major, device.compute_minor);
    status.devices.push_back(device);
  }
  return status;
}

DeviceMemory take_memory(const std::string& device, size_t bytes, size_t limit_bytes) {
  if (limit_bytes != 0 && bytes > limit_bytes)
    throw usage_error(device,
                      fmt::format("needs {}, its memory_limit is {}", format_bytes(bytes), format_bytes(limit_bytes)),
                      "Raise memory_limit, lower the batch size or the length, or use a smaller dtype.");
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not a later call's
    size_t free_bytes = 0, total_bytes = 0;
    COTENANT_CUDA("ask for free memory", cudaMemGetInfo(&free_bytes, &total_bytes));
    throw usage_error(device, fmt::format("needs {}, {} free", format_bytes(bytes), format_bytes(free_bytes)),
                      "Lower the batch size, the length or the number of tenants, or use a smaller dtype.");
  }
  COTENANT_CUDA("allocate device memory", error);
  return DeviceMemory(data);
}

}  // namespace cotenant
