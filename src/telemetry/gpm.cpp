#include "telemetry/gpm.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "base/clock.h"
#include "telemetry/nvml_api.h"

namespace cotenant {
namespace {

constexpr int64_t kLeastNs = 100'000'000;

struct Metric {
  unsigned id;  // NVML_GPM_METRIC_...
  std::optional<double> GpmCounters::*field;
};
constexpr Metric kMetrics[] = {
    {1, &GpmCounters::graphics_percent},   {2, &GpmCounters::sm_percent},    {3, &GpmCounters::occupancy_percent},
    {5, &GpmCounters::tensor_percent},     {10, &GpmCounters::dram_percent}, {20, &GpmCounters::pcie_tx_mib_per_s},
    {21, &GpmCounters::pcie_rx_mib_per_s},
};

}  // namespace

// Two samples that take turns, and the question, which is too large for a stack.
struct GpmReader::Samples {
  explicit Samples(std::shared_ptr<const Nvml> library) : nvml(std::move(library)) {}
  ~Samples() {
    for (const nvml::GpmSample sample : {before, now})
      if (sample != nullptr) nvml->api().nvmlGpmSampleFree(sample);
  }
  Samples(const Samples&) = delete;
  Samples& operator=(const Samples&) = delete;

  std::shared_ptr<const Nvml> nvml;
  nvml::GpmSample before = nullptr, now = nullptr;
  nvml::GpmMetrics metrics = {};
};

GpmReader::GpmReader(const NvmlDevice& device) : device_(device) {
  if (!find_support()) return;
  auto samples = std::make_unique<Samples>(device_.nvml());
  const auto allocate = device_.nvml()->api().nvmlGpmSampleAlloc;
  for (nvml::GpmSample* sample : {&samples->before, &samples->now}) {
    const nvml::Result result = allocate(sample);
    if (result == nvml::success) continue;
    *sample = nullptr;
    gap_ = {fmt::format("the performance counters cannot be read: {}", device_.nvml()->error_text(result)),
            "see `cotenant doctor`"};
    return;
  }
  samples_ = std::move(samples);
}

GpmReader::~GpmReader() = default;

bool GpmReader::find_support() {
  const nvml::Api& api = device_.nvml()->api();
  if (!api.nvmlGpmQueryDeviceSupport || !api.nvmlGpmSampleAlloc || !api.nvmlGpmSampleFree || !api.nvmlGpmSampleGet ||
      !api.nvmlGpmMetricsGet) {
    gap_ = {fmt::format("driver {} knows no performance counters", device_.nvml()->driver_version()),
            "update the NVIDIA driver"};
    return false;
  }
  nvml::GpmSupport support{nvml::gpm_version, 0};
  const nvml::Result result = api.nvmlGpmQueryDeviceSupport(device_.handle(), &support);
  if (result == nvml::success && support.is_supported) return true;
  if (result == nvml::success || result == nvml::not_supported)
    gap_ = {fmt::format("{} has no performance counters that NVML reads (Hopper and later have)", device_.name()), ""};
  else
    gap_ = {fmt::format("the performance counters cannot be read: {}", device_.nvml()->error_text(result)),
            "check that `nvidia-smi` works"};
  return false;
}

std::optional<GpmCounters> GpmReader::read() {
  if (!samples_ || (at_ns_ != 0 && now_ns() - at_ns_ < kLeastNs)) return std::nullopt;
  const nvml::Result result = device_.nvml()->api().nvmlGpmSampleGet(device_.handle(), samples_->now);
  if (result != nvml::success) {
    if (result == nvml::not_supported)
      gap_ = {fmt::format("{} lets nobody read its performance counters{}", device_.name(),
                          device_.mig_enabled().value_or(false) ? " as a whole while MIG is on" : ""),
              ""};
    else
      gap_ = {fmt::format("a reading of the performance counters failed: {}", device_.nvml()->error_text(result)),
              "end other programs that read them (DCGM, profilers), or go without them"};
    return std::nullopt;
  }
  std::optional<GpmCounters> counters;
  if (at_ns_ != 0) counters = compare();
  at_ns_ = now_ns();
  std::swap(samples_->before, samples_->now);
  return counters;
}

// A counter that fails or is no number is not had; so is all when the whole question fails.
std::optional<GpmCounters> GpmReader::compare() {
  nvml::GpmMetrics& metrics = samples_->metrics;
  metrics.version = nvml::gpm_version;
  metrics.num_metrics = std::size(kMetrics);
  metrics.sample1 = samples_->before;
  metrics.sample2 = samples_->now;
  for (size_t i = 0; i < std::size(kMetrics); ++i) metrics.metrics[i] = {kMetrics[i].id, nvml::success, 0, {}, {}, {}};
  const nvml::Result result = device_.nvml()->api().nvmlGpmMetricsGet(&metrics);
  if (result != nvml::success) {
    gap_ = {fmt::format("the performance counters cannot be computed: {}", device_.nvml()->error_text(result)),
            "end other programs that read them (DCGM, profilers), or go without them"};
    return std::nullopt;
  }
  GpmCounters counters;
  for (size_t i = 0; i < std::size(kMetrics); ++i) {
    const nvml::GpmMetric& metric = metrics.metrics[i];
    if (metric.result == nvml::success && std::isfinite(metric.value)) counters.*kMetrics[i].field = metric.value;
  }
  return counters;
}

}  // namespace cotenant
