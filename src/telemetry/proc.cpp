#include "telemetry/proc.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace cotenant {
namespace {

double ticks_to_s(double ticks) {
  static const double per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ticks / per_s;
}

}  // namespace

// /proc/stat, first line: cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guest time is
// part of user.
double machine_busy_s() {
  std::ifstream stat("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  stat >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  return ticks_to_s(user + nice + system + irq + softirq + steal);
}

// /proc/<pid>/stat: pid (name) state ..., fields 14, 15 are user and system time, 22 the start, 24 the resident pages.
// The name may hold spaces and brackets.
std::optional<ProcessTimes> read_process(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);  // unlike a stream iterator it does not throw when the process ends meanwhile
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream rest(text.substr(close + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0, system = 0;
  uint64_t resident_pages = 0;
  ProcessTimes times;
  rest >> user >> system;
  for (int field = 16; field < 22; ++field) rest >> skipped;
  rest >> times.start >> skipped >> resident_pages;
  if (!rest) return std::nullopt;
  times.name = text.substr(open + 1, close - open - 1);
  times.cpu_s = ticks_to_s(user + system);
  times.resident_bytes = resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return times;
}

std::optional<uint64_t> machine_memory_used_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::optional<uint64_t> total_kib, available_kib;
  for (std::string key, line; std::getline(meminfo, line) && !(total_kib && available_kib);) {
    std::istringstream fields(line);
    uint64_t kib = 0;
    if (!(fields >> key >> kib)) continue;
    if (key == "MemTotal:") total_kib = kib;
    if (key == "MemAvailable:") available_kib = kib;
  }
  if (!total_kib || !available_kib) return std::nullopt;
  return (*total_kib - *available_kib) * 1024;
}

}  // namespace cotenant
