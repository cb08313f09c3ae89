#include "report/telemetry_chart.h"

#include <algorithm>
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
  std::string title;
  const char* unit;
  std::vector<Quantity> quantities;
};

// `device`: of several; only samples of it count.
Reading of(std::optional<double> TelemetrySample::*field, double scale = 1, const std::string& device = "") {
  return [=](const TelemetrySample& sample) -> std::optional<double> {
    if (!(sample.*field) || (!device.empty() && sample.device != device)) return std::nullopt;
    return *(sample.*field) * scale;
  };
}

constexpr double per_gib = 1.0 / (1024.0 * 1024 * 1024);

// Of the only device without a name.
std::vector<PanelDefinition> device_panels(const std::string& device) {
  using S = TelemetrySample;
  const std::string where = device.empty() ? "" : ", " + device;
  const auto read = [&](auto field, double scale = 1) { return of(field, scale, device); };
  std::vector<PanelDefinition> panels{
      {"Utilisation" + where,
       "%",
       {{"SM", read(&S::sm_percent)},
        {"tensor cores", read(&S::tensor_percent)},
        {"DRAM", read(&S::dram_percent)},
        {"occupancy", read(&S::occupancy_percent)},
        {"any kernel", read(&S::gpu_percent)}}},
      {"Clocks" + where, "MHz", {{"SM", read(&S::sm_clock_mhz)}, {"memory", read(&S::memory_clock_mhz)}}},
      {"Power" + where, "W", {{"device", read(&S::power_w)}}},
      {"Temperature" + where, "°C", {{"device", read(&S::temperature_c)}}},
      {"Memory" + where, "GiB", {{"device", read(&S::memory_used_bytes, per_gib)}}},
      {"PCIe" + where,
       "MiB/s",
       {{"to the device", read(&S::pcie_rx_mib_per_s)}, {"from the device", read(&S::pcie_tx_mib_per_s)}}}};
  return panels;
}

std::vector<PanelDefinition> machine_panels(const ExperimentAnalysis& experiment) {
  using S = TelemetrySample;
  std::vector<PanelDefinition> panels;
  const Quantity host_memory{"host", of(&S::host_memory_used_bytes, per_gib)};
  if (has_several_devices(experiment)) {
    for (const PerDeviceAnalysis& device : experiment.devices)
      for (PanelDefinition& panel : device_panels(device.device)) panels.push_back(std::move(panel));
    panels.push_back({"Memory", "GiB", {host_memory}});
  } else {
    panels = device_panels("");
    std::ranges::find(panels, "Memory", &PanelDefinition::title)->quantities.push_back(host_memory);
  }
  panels.push_back({"Waiting",
                    "%",
                    {{"for a CPU", of(&S::cpu_stall_percent)},
                     {"for memory", of(&S::memory_stall_percent)},
                     {"for a disk", of(&S::io_stall_percent)}}});
  return panels;
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
  auto definitions = machine_panels(experiment);
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
