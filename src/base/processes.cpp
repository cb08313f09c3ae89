#include "base/processes.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <fstream>
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

// The fields behind the name, which may hold brackets.
std::optional<ProcessState> process_state(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const size_t name_end = text.rfind(')');
  ProcessState state;
  if (name_end == std::string::npos ||
      std::sscanf(text.c_str() + name_end, ") %c %d %d", &state.state, &state.parent, &state.group) != 3)
    return std::nullopt;
  return state;
}

ProcessTable process_table() {
  ProcessTable table;
  for (const pid_t pid : all_processes())
    if (const auto state = process_state(pid)) table.emplace(pid, *state);
  return table;
}

std::vector<pid_t> descendants_of(pid_t ancestor, const ProcessTable& table) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& [pid, state] : table)
    if (state.state != 'Z') children.emplace(state.parent, pid);
  std::vector<pid_t> found;
  const auto add_children = [&](pid_t parent) {
    const auto [begin, end] = children.equal_range(parent);
    std::for_each(begin, end, [&](const auto& child) { found.push_back(child.second); });
    children.erase(begin, end);  // a pid that was given again while we looked must not make a circle
  };
  add_children(ancestor);
  for (size_t i = 0; i < found.size(); ++i) add_children(found[i]);
  return found;
}

}  // namespace cotenant
