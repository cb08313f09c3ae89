#include "telemetry/machine.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "base/affinity.h"
#include "base/error.h"
#include "base/open_files.h"
#include "telemetry/control_groups.h"

namespace cotenant {
namespace {

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string read_first_line(const std::string& path) {
  std::string line;
  std::ifstream in(path);
  std::getline(in, line);
  return line;
}

// The number a file holds; none where it holds something else ("max") or does not exist.
std::optional<double> read_number(const std::string& path) {
  std::ifstream in(path);
  double value = 0;
  return in >> value ? std::optional(value) : std::nullopt;
}

// "model name\t: AMD EPYC": "model name", "AMD EPYC".
std::pair<std::string, std::string> split_field(const std::string& line, char separator) {
  const size_t at = line.find(separator);
  if (at == std::string::npos) return {line, ""};
  const auto trim = [](std::string s) {
    s.erase(0, s.find_first_not_of(" \t"));
    s.erase(s.find_last_not_of(" \t") + 1);
    return s;
  };
  return {trim(line.substr(0, at)), trim(line.substr(at + 1))};
}

constexpr const char* kTelling[] = {"avx2",     "fma",         "f16c",        "avx_vnni",    "avx512f",
                                    "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
                                    "amx_int8", "amx_bf16",    "asimd",       "bf16",        "sve"};

void read_cpuinfo(Machine& machine, const std::string& root) {
  std::set<std::pair<std::string, std::string>> cores;
  std::string package, features;
  for (const std::string& line : read_lines(root + "/proc/cpuinfo")) {
    const auto [key, value] = split_field(line, ':');
    if (key == "processor") ++machine.online_cpus;
    if (key == "model name" && machine.cpu.empty()) machine.cpu = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    if ((key == "flags" || key == "Features") && features.empty()) features = value;
  }
  std::istringstream words(features);
  const std::set<std::string> present{std::istream_iterator<std::string>(words), {}};
  for (const char* feature : kTelling)
    if (present.count(feature)) machine.cpu_features.emplace_back(feature);
  machine.is_virtual = present.count("hypervisor") != 0;
  machine.physical_cores = cores.empty() ? machine.online_cpus : static_cast<int>(cores.size());
}

void read_meminfo(Machine& machine, const std::string& root) {
  for (const std::string& line : read_lines(root + "/proc/meminfo")) {
    const auto [key, value] = split_field(line, ':');
    const uint64_t bytes = std::strtoull(value.c_str(), nullptr, 10) * 1024;
    if (key == "MemTotal") machine.memory_total_bytes = bytes;
    if (key == "MemAvailable") machine.memory_available_bytes = bytes;
  }
}

void read_limits(Machine& machine, const std::string& root) {
  const ControlGroups groups = find_control_groups(root);
  machine.cpu_limit = cpu_quota(groups);
  machine.tasks_left = tasks_left(groups);
  const auto memory = memory_limit(groups);
  if (!memory || memory->limit_bytes >= machine.memory_total_bytes) return;
  machine.memory_limit_bytes = memory->limit_bytes;
  machine.memory_available_bytes = std::min(machine.memory_available_bytes, memory->available_bytes);
}

std::string read_os(const std::string& root) {
  for (const std::string& line : read_lines(root + "/etc/os-release")) {
    auto [key, value] = split_field(line, '=');
    if (key == "PRETTY_NAME" && value.size() > 2 && value.front() == '"') return value.substr(1, value.size() - 2);
    if (key == "PRETTY_NAME") return value;
  }
  return "";
}

// "always [madvise] never": "madvise".
std::string chosen(const std::string& line) {
  const size_t open = line.find('['), close = line.find(']');
  return open == std::string::npos || close == std::string::npos ? "" : line.substr(open + 1, close - open - 1);
}

}  // namespace

bool Machine::has_feature(const std::string& name) const {
  return std::find(cpu_features.begin(), cpu_features.end(), name) != cpu_features.end();
}

Machine read_machine(const std::string& root) {
  Machine machine;
  utsname system{};
  if (uname(&system) == 0) {
    machine.hostname = system.nodename;
    machine.kernel = system.release;
  }
  machine.os = read_os(root);
  read_cpuinfo(machine, root);
  if (machine.cpu.empty()) machine.cpu = system.machine;
  try {
    machine.logical_cpus = static_cast<int>(affinity().size());
  } catch (const Error&) {
    machine.logical_cpus = machine.online_cpus;
  }
  read_meminfo(machine, root);
  read_limits(machine, root);
  machine.most_open_files = most_open_files();
  machine.governor = read_first_line(root + "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  machine.transparent_hugepages = chosen(read_first_line(root + "/sys/kernel/mm/transparent_hugepage/enabled"));
  machine.load1 = read_number(root + "/proc/loadavg");
  return machine;
}

int usable_cores(const Machine& machine) {
  int cores = machine.logical_cpus;
  if (machine.cpu_limit) cores = std::min(cores, static_cast<int>(std::floor(*machine.cpu_limit)));
  return std::max(1, cores);
}

}  // namespace cotenant
