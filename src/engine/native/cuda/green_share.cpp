#include "engine/native/cuda/green_share.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "engine/native/cuda/check.h"
#include "engine/native/cuda/device.h"
#include "engine/native/cuda/driver_function.h"
#include "engine/native/cuda/stream.h"

namespace cotenant {
namespace {

// All groups of the device, from one split.
std::vector<CUdevResource> split_into_groups(int ordinal) {
  const auto get_resource = COTENANT_DRIVER_FUNCTION(cuDeviceGetDevResource);
  const auto split = COTENANT_DRIVER_FUNCTION(cuDevSmResourceSplitByCount);
  CUdevResource all{}, rest{};
  if (!get_resource || !split || get_resource(ordinal, &all, CU_DEV_RESOURCE_TYPE_SM) != CUDA_SUCCESS) return {};
  unsigned count = 0;
  if (split(nullptr, &count, &all, nullptr, 0, 1) != CUDA_SUCCESS || count == 0) return {};
  std::vector<CUdevResource> groups(count);
  if (split(groups.data(), &count, &all, &rest, 0, 1) != CUDA_SUCCESS) return {};
  groups.resize(count);
  if (rest.type == CU_DEV_RESOURCE_TYPE_SM && rest.sm.smCount > 0) groups.push_back(rest);
  return groups;
}

std::shared_ptr<const DeviceShare> make_share(int ordinal, std::vector<CUdevResource> groups) {
  const auto describe = COTENANT_DRIVER_FUNCTION(cuDevResourceGenerateDesc);
  const auto create = COTENANT_DRIVER_FUNCTION(cuGreenCtxCreate);
  const auto get_resource = COTENANT_DRIVER_FUNCTION(cuGreenCtxGetDevResource);
  if (!describe || !create || !get_resource)
    throw usage_error("sharing.mode green", "this driver has no green contexts",
                      "Use a driver for CUDA 12.5 or later.");
  CUdevResourceDesc description = nullptr;
  CUgreenCtx context = nullptr;
  CUdevResource granted{};
  COTENANT_DRIVER("make a green context", describe(&description, groups.data(), static_cast<unsigned>(groups.size())));
  COTENANT_DRIVER("make a green context", create(&context, description, ordinal, CU_GREEN_CTX_DEFAULT_STREAM));
  auto share = std::make_shared<GreenShare>(context);
  COTENANT_DRIVER("make a green context", get_resource(context, &granted, CU_DEV_RESOURCE_TYPE_SM));
  share->set_sms(static_cast<int>(granted.sm.smCount));
  return share;
}

}  // namespace

int count_sm_groups([[maybe_unused]] int ordinal) {
#if CUDA_VERSION >= 12050
  if (COTENANT_DRIVER_FUNCTION(cuGreenCtxStreamCreate)) return static_cast<int>(split_into_groups(ordinal).size());
#endif
  return 0;
}

GreenShare::~GreenShare() {
  if (const auto destroy = COTENANT_DRIVER_FUNCTION(cuGreenCtxDestroy)) destroy(context_);
}

Stream GreenShare::make_stream(int priority) const {
#if CUDA_VERSION >= 12050
  if (const auto create = COTENANT_DRIVER_FUNCTION(cuGreenCtxStreamCreate)) {
    CUstream stream = nullptr;
    COTENANT_DRIVER("make a stream", create(&stream, context_, CU_STREAM_NON_BLOCKING, stream_priority(priority)));
    return Stream(stream);
  }
#endif
  throw usage_error("sharing.mode green",
                    fmt::format("no streams in green contexts (priority {}): they begin with CUDA 12.5", priority),
                    "Update the driver, or build with a newer toolkit.");
}

std::vector<std::shared_ptr<const DeviceShare>> split_cuda_device(const std::string& device,
                                                                  const std::vector<int>& groups) {
  const DeviceFacts facts = open_device(device);
  COTENANT_CUDA("make a green context", cudaFree(nullptr));  // makes the primary context
  const std::vector<CUdevResource> all = split_into_groups(facts.ordinal);
  const int wanted = std::accumulate(groups.begin(), groups.end(), 0);
  if (all.empty() || wanted > static_cast<int>(all.size()))
    throw usage_error(device, fmt::format("{} groups of multiprocessors are wanted, there are {}", wanted, all.size()),
                      "Use fewer tenants or smaller sm_percent, or sharing.mode: mps.");
  // From the end, where the larger group is: whoever has most takes it.
  std::vector<std::shared_ptr<const DeviceShare>> shares(groups.size());
  auto next = all.end();
  std::vector<size_t> order(groups.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const bool uses_all = wanted == static_cast<int>(all.size());
  if (uses_all)
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return groups[a] > groups[b]; });
  else
    next = all.begin() + wanted;
  for (const size_t i : order) {
    const auto begin = next - groups[i];
    shares[i] = make_share(facts.ordinal, {begin, next});
    next = begin;
  }
  return shares;
}

}  // namespace cotenant
