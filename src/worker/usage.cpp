#include "worker/usage.h"

#include <unistd.h>

#include <fstream>

namespace cotenant {
namespace {

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

}  // namespace

Usage usage_now() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage;
}

UsageRecord usage_since(const Usage& before) {
  const Usage after = usage_now();
  UsageRecord record;
  record.cpu_user_s = seconds(after.ru_utime) - seconds(before.ru_utime);
  record.cpu_system_s = seconds(after.ru_stime) - seconds(before.ru_stime);
  record.voluntary_switches = after.ru_nvcsw - before.ru_nvcsw;
  record.involuntary_switches = after.ru_nivcsw - before.ru_nivcsw;
  record.major_faults = after.ru_majflt - before.ru_majflt;
  record.resident_peak_bytes = static_cast<uint64_t>(after.ru_maxrss) * 1024;
  return record;
}

std::optional<uint64_t> resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total_pages = 0, resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return std::nullopt;
  return resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace cotenant
