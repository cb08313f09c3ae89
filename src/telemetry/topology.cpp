#include "telemetry/topology.h"

#include <fmt/format.h>

#include <fstream>
#include <map>

namespace cotenant {

std::vector<std::vector<int>> cores_of(const std::vector<int>& cpus, const std::string& root) {
  std::map<std::string, size_t> known;  // a core's list of hardware threads -> its place
  std::vector<std::vector<int>> cores;
  for (const int cpu : cpus) {
    std::string threads;
    std::getline(std::ifstream(fmt::format("{}/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", root, cpu)),
                 threads);
    if (threads.empty()) threads = std::to_string(cpu);
    const auto [found, is_new] = known.emplace(threads, cores.size());
    if (is_new) cores.emplace_back();
    cores[found->second].push_back(cpu);
  }
  return cores;
}

}  // namespace cotenant
