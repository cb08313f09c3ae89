#include "telemetry/proc.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

#include "base/fd.h"

namespace cotenant {
namespace {

double ticks_to_s(double ticks) {
  static const double per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  return ticks / per_s;
}

// A small file at once: streams cost several times as much, and the sampler reads many.
std::string read_small(const std::string& path) {
  std::string text(4096, '\0');
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const ssize_t size = file.get() >= 0 ? ::read(file.get(), text.data(), text.size()) : 0;
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

// The number after `label`; none: it does not stand there.
std::optional<uint64_t> number_after(std::string_view text, std::string_view label) {
  const size_t at = text.find(label);
  if (at == std::string_view::npos) return std::nullopt;
  const size_t begin = text.find_first_not_of(" \t", at + label.size());
  if (begin == std::string_view::npos) return std::nullopt;
  uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  return failed == std::errc() ? std::optional(value) : std::nullopt;
}

}  // namespace

// /proc/stat: cpu user nice system idle iowait irq softirq steal guest guest_nice (proc(5)), of all and then of each
// CPU; guest time is part of user.
CpuTimes read_cpu_times(const std::string& root) {
  CpuTimes times;
  std::ifstream stat(root + "/proc/stat");
  for (std::string line; std::getline(stat, line) && line.starts_with("cpu");) {
    std::istringstream fields(line);
    std::string label;
    double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
    fields >> label >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
    const double busy_s = ticks_to_s(user + nice + system + irq + softirq + steal);
    if (label == "cpu") {
      times.busy_s = busy_s;
    } else {
      times.each_busy_s.push_back(busy_s);
      times.numbers.push_back(std::atoi(label.c_str() + 3));
    }
  }
  return times;
}

// /proc/pressure/*: "some avg10=0.00 avg60=0.01 avg300=0.11 total=185986707", the total in microseconds.
std::optional<double> read_stall_s(const std::string& resource, const std::string& root) {
  const std::string text = read_small(root + "/proc/pressure/" + resource);
  if (!text.starts_with("some ")) return std::nullopt;
  const auto total_us = number_after(std::string_view(text).substr(0, text.find('\n')), "total=");
  return total_us ? std::optional(static_cast<double>(*total_us) * 1e-6) : std::nullopt;
}

std::optional<ContextSwitches> read_switches(pid_t pid, const std::string& root) {
  ContextSwitches sum;
  bool told = false;
  std::error_code error;
  std::filesystem::directory_iterator tasks(fmt::format("{}/proc/{}/task", root, pid), error);
  for (; !error && tasks != std::filesystem::directory_iterator(); tasks.increment(error)) {
    const std::string status = read_small(tasks->path().string() + "/status");
    const auto voluntary = number_after(status, "\nvoluntary_ctxt_switches:");
    const auto involuntary = number_after(status, "\nnonvoluntary_ctxt_switches:");
    if (!voluntary || !involuntary) continue;  // the thread has ended
    told = true;
    sum.voluntary += *voluntary;
    sum.involuntary += *involuntary;
  }
  return told ? std::optional(sum) : std::nullopt;
}

// /proc/<pid>/stat: pid (name) state ..., fields 14, 15 are user and system time, 16, 17 those of children that were
// waited for, 22 the start, 24 the resident pages.
// The name may hold spaces and brackets.
std::optional<ProcessTimes> read_process(pid_t pid, const std::string& root) {
  std::ifstream file(fmt::format("{}/proc/{}/stat", root, pid));
  std::string text;
  std::getline(file, text);  // unlike a stream iterator it does not throw when the process ends meanwhile
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  std::istringstream rest(text.substr(close + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0, system = 0, children_user = 0, children_system = 0;
  uint64_t resident_pages = 0;
  ProcessTimes times;
  rest >> user >> system >> children_user >> children_system;
  for (int field = 18; field < 22; ++field) rest >> skipped;
  rest >> times.start >> skipped >> resident_pages;
  if (!rest) return std::nullopt;
  times.name = text.substr(open + 1, close - open - 1);
  times.cpu_s = ticks_to_s(user + system);
  times.children_cpu_s = ticks_to_s(children_user + children_system);
  times.resident_bytes = resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return times;
}

std::optional<uint64_t> machine_memory_used_bytes(const std::string& root) {
  std::ifstream meminfo(root + "/proc/meminfo");
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
