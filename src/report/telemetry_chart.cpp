#include "report/telemetry_chart.h"

#include <cmath>
#include <functional>
#include <optional>

#include "report/colours.h"
#include "results/telemetry.h"

namespace cotenant {
namespace {

using Reading = std::function<std::optional<double>(const TelemetrySample&)>;

struct Quantity {
  std::string name;
  Reading read;
  std::optional<size_t> colour = std::nullopt;  // none: by its place in the panel
};

struct PanelDefinition {
  const char* title;
  const char* unit;
  std::vector<Quantity> quantities;
};

Reading of(std::optional<double> TelemetrySample::*field, double scale = 1) {
  return [=](const TelemetrySample& sample) -> std::optional<double> {
    if (!(sample.*field)) return std::nullopt;
    return *(sample.*field) * scale;
  };
}

constexpr double per_gib = 1.0 / (1024.0 * 1024 * 1024);

std::vector<PanelDefinition> machine_panels() {
  using S = TelemetrySample;
  return {
      {"Utilisation",
       "%",
       {{"SM", of(&S::sm_percent)},
        {"tensor cores", of(&S::tensor_percent)},
        {"DRAM", of(&S::dram_percent)},
        {"occupancy", of(&S::occupancy_percent)},
        {"any kernel", of(&S::gpu_percent)}}},
      {"Clocks", "MHz", {{"SM", of(&S::sm_clock_mhz)}, {"memory", of(&S::memory_clock_mhz)}}},
      {"Power", "W", {{"device", of(&S::power_w)}}},
      {"Temperature", "°C", {{"device", of(&S::temperature_c)}}},
      {"Memory",
       "GiB",
       {{"device", of(&S::memory_used_bytes, per_gib)}, {"host", of(&S::host_memory_used_bytes, per_gib)}}},
      {"PCIe", "MiB/s", {{"to the device", of(&S::pcie_rx_mib_per_s)}, {"from the device", of(&S::pcie_tx_mib_per_s)}}},
      {"Waiting",
       "%",
       {{"for a CPU", of(&S::cpu_stall_percent)},
        {"for memory", of(&S::memory_stall_percent)},
        {"for a disk", of(&S::io_stall_percent)}}},
  };
}

// Busy cores: the whole machine in grey, then each tenant in its colour.
PanelDefinition core_panel(const std::vector<TenantAnalysis>& tenants) {
  PanelDefinition panel{
      "Processors", "cores", {{"all programs", of(&TelemetrySample::busy_cores), tenant_colours.size() - 1}}};
  for (size_t i = 0; i < tenants.size(); ++i) {
    const auto busy = [name = tenants[i].name](const TelemetrySample& sample) -> std::optional<double> {
      for (const TenantTelemetry& used : sample.tenants) {
        if (used.name == name) return used.busy_cores;
      }
      return std::nullopt;
    };
    panel.quantities.push_back({tenants[i].name, busy, i});
  }
  return panel;
}

Curve curve_of(const std::vector<TelemetrySample>& samples, const Reading& read, size_t most_points) {
  std::vector<double> times, values;
  for (const TelemetrySample& sample : samples) {
    const auto value = read(sample);
    if (!value || !std::isfinite(*value)) continue;
    times.push_back(sample.t_s);
    values.push_back(*value);
  }
  Curve curve;
  for (size_t i : thin(values, most_points)) {
    curve.x.push_back(times[i]);
    curve.y.push_back(values[i]);
  }
  return curve;
}

}  // namespace

std::vector<TelemetryPanel> telemetry_panels(const ExperimentAnalysis& experiment, size_t most_points) {
  std::vector<TelemetryPanel> panels;
  if (!experiment.telemetry) return panels;
  const auto samples = read_telemetry(*experiment.telemetry);
  auto definitions = machine_panels();
  definitions.push_back(core_panel(experiment.tenants));
  for (const PanelDefinition& definition : definitions) {
    TelemetryPanel panel{definition.title, definition.unit, {}, {}, {}};
    for (const Quantity& quantity : definition.quantities) {
      Curve curve = curve_of(samples, quantity.read, most_points);
      if (curve.x.size() < 2) continue;
      panel.colours.push_back(quantity.colour.value_or(panel.names.size()));
      panel.names.push_back(quantity.name);
      panel.curves.push_back(std::move(curve));
    }
    if (!panel.curves.empty()) panels.push_back(std::move(panel));
  }
  return panels;
}

}  // namespace cotenant
