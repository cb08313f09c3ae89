#include "analysis/surroundings.h"

#include <fmt/format.h>

#include "base/text.h"

namespace cotenant {

Surroundings surroundings_of(const HostRecord& host) {
  Surroundings surroundings;
  for (const std::string& variable : host.environment) {
    const size_t equals = variable.find('=');
    surroundings[variable.substr(0, equals)] = equals == std::string::npos ? "" : variable.substr(equals + 1);
  }
  if (host.cpu_limit) surroundings["CPU quota"] = fmt::format("{:g} cores", *host.cpu_limit);
  if (host.memory_limit_bytes) surroundings["memory limit"] = format_bytes(*host.memory_limit_bytes);
  if (host.logical_cpus > 0) surroundings["usable CPUs"] = std::to_string(host.logical_cpus);
  return surroundings;
}

std::vector<std::string> differences(const Surroundings& a, const Surroundings& b, const std::string& name_of_a,
                                     const std::string& name_of_b) {
  Surroundings names = a;
  names.insert(b.begin(), b.end());
  std::vector<std::string> found;
  for (const auto& each : names) {
    const std::string& name = each.first;
    const auto value = [&](const Surroundings& side) {
      const auto at = side.find(name);
      return at == side.end() ? std::string("not set") : at->second;
    };
    if (value(a) != value(b))
      found.push_back(fmt::format("{}: {} {}, {} {}", name, value(a), name_of_a, value(b), name_of_b));
  }
  return found;
}

}  // namespace cotenant
