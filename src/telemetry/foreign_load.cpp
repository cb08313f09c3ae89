#include "telemetry/foreign_load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "base/clock.h"

namespace cotenant {
namespace {

double ticks_to_s(double ticks) {
  static const double per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ticks / per_s;
}

// /proc/stat, first line: cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5)); guest time is
// part of user.
double total_busy_s() {
  std::ifstream stat("/proc/stat");
  std::string label;
  double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  stat >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  return ticks_to_s(user + nice + system + irq + softirq + steal);
}

// /proc/<pid>/stat: pid (name) state ..., fields 14, 15 are user and system time, 22 the start. The name may hold
// spaces and brackets.
std::optional<ProcessTimes> read_process(const std::filesystem::path& directory) {
  std::ifstream file(directory / "stat");
  std::string text;
  std::getline(file, text);  // unlike a stream iterator it does not throw when the process ends meanwhile
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream rest(text.substr(close + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0, system = 0;
  ProcessTimes times;
  rest >> user >> system;
  for (int field = 16; field < 22; ++field) rest >> skipped;
  rest >> times.start;
  if (!rest) return std::nullopt;
  times.name = text.substr(open + 1, close - open - 1);
  times.cpu_s = ticks_to_s(user + system);
  return times;
}

// CPU time that a process used between the snapshots.
double used_s(const LoadSnapshot& before, pid_t pid, const ProcessTimes& after) {
  const auto found = before.processes.find(pid);
  const bool same = found != before.processes.end() && found->second.start == after.start;
  return after.cpu_s - (same ? found->second.cpu_s : 0);
}

}  // namespace

LoadSnapshot snapshot_load() {
  LoadSnapshot snapshot;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed != std::errc() || end != name.data() + name.size()) continue;
    if (auto process = read_process(entry.path())) snapshot.processes.emplace(pid, std::move(*process));
  }
  snapshot.busy_s = total_busy_s();
  snapshot.at_s = ns_to_s(now_ns());
  return snapshot;
}

std::optional<ForeignLoad> foreign_load(const LoadSnapshot& before, const LoadSnapshot& after,
                                        const std::set<pid_t>& ours) {
  const double elapsed_s = after.at_s - before.at_s;
  if (elapsed_s <= 0 || after.busy_s <= 0) return std::nullopt;
  ForeignLoad load;
  double ours_s = 0, top_s = 0;
  for (const auto& [pid, process] : after.processes) {
    const double cpu_s = used_s(before, pid, process);
    if (ours.count(pid)) {
      ours_s += cpu_s;
    } else if (cpu_s > top_s) {
      top_s = cpu_s;
      load.top_process = fmt::format("{} (pid {}), {:.2f} cores", process.name, pid, cpu_s / elapsed_s);
    }
  }
  load.busy_cores = std::max(0.0, (after.busy_s - before.busy_s - ours_s) / elapsed_s);
  return load;
}

}  // namespace cotenant
