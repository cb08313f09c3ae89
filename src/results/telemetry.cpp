#include "results/telemetry.h"

#include "base/error.h"
#include "base/line_reader.h"
#include "results/json_fields.h"

namespace cotenant {

template <class Visitor>
void fields(Visitor& visit, TenantTelemetry& t) {
  visit("name", t.name);
  visit("busy_cores", t.busy_cores);
  visit("resident_bytes", t.resident_bytes);
  visit("cpu_s", t.cpu_s);
  visit("voluntary_switches", t.voluntary_switches);
  visit("involuntary_switches", t.involuntary_switches);
}

template <class Visitor>
void fields(Visitor& visit, TelemetrySample& s) {
  visit("t_s", s.t_s);
  visit("device", s.device);
  visit("sm_clock_mhz", s.sm_clock_mhz);
  visit("memory_clock_mhz", s.memory_clock_mhz);
  visit("power_w", s.power_w);
  visit("temperature_c", s.temperature_c);
  visit("memory_used_bytes", s.memory_used_bytes);
  visit("gpu_percent", s.gpu_percent);
  visit("energy_j", s.energy_j);
  visit("throttle_reasons", s.throttle_reasons);
  visit("graphics_percent", s.graphics_percent);
  visit("sm_percent", s.sm_percent);
  visit("occupancy_percent", s.occupancy_percent);
  visit("tensor_percent", s.tensor_percent);
  visit("dram_percent", s.dram_percent);
  visit("pcie_rx_mib_per_s", s.pcie_rx_mib_per_s);
  visit("pcie_tx_mib_per_s", s.pcie_tx_mib_per_s);
  visit("busy_cores", s.busy_cores);
  visit("host_memory_used_bytes", s.host_memory_used_bytes);
  visit("cpu_percent", s.cpu_percent);
  visit("cpu_stall_percent", s.cpu_stall_percent);
  visit("memory_stall_percent", s.memory_stall_percent);
  visit("io_stall_percent", s.io_stall_percent);
  visit("tenants", s.tenants);
}

namespace {

// Unknown values are left out rather than written as null: most samples lack most of them.
void erase_nulls(nlohmann::ordered_json& object) {
  for (auto it = object.begin(); it != object.end();) {
    if (it->is_array()) {
      for (auto& element : *it) erase_nulls(element);
    }
    if (it->is_null() || (it->is_array() && it->empty())) {
      it = object.erase(it);
    } else {
      ++it;
    }
  }
}

}  // namespace

void append_json(fmt::memory_buffer& out, const TelemetrySample& sample) {
  auto object = JsonWriter::convert(const_cast<TelemetrySample&>(sample));
  erase_nulls(object);
  const std::string line = object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  out.append(line);
}

std::vector<TelemetrySample> read_telemetry(const std::filesystem::path& file) {
  std::vector<TelemetrySample> samples;
  LineReader lines(file);
  while (const auto line = lines.next()) {
    if (line->find_first_not_of(" \t\r") == line->npos) continue;
    const bool torn = !lines.has_newline() && !nlohmann::json::accept(*line);  // cut while it was written
    if (torn) break;
    if (samples.size() == most_telemetry_samples)
      throw usage_error(lines.where(), fmt::format("is beyond {} samples", most_telemetry_samples),
                        "Remove the file to analyse the rest.");
    samples.push_back(fields_from_json<TelemetrySample>(*line, lines.where()));
  }
  return samples;
}

}  // namespace cotenant
