#include "base/processes.h"

#include <charconv>
#include <filesystem>
#include <system_error>

namespace cotenant {

std::vector<pid_t> all_processes(const std::string& proc) {
  std::vector<pid_t> pids;
  std::error_code error;
  std::filesystem::directory_iterator entry(proc, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename();
    pid_t pid = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (failed == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  return pids;
}

}  // namespace cotenant
