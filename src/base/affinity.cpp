#include "base/affinity.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/error.h"

namespace cotenant {
namespace {

// A set with room for CPUs 0 to count - 1.
class CpuSet {
 public:
  explicit CpuSet(int count)
      : set_(CPU_ALLOC(static_cast<size_t>(count))), bytes_(CPU_ALLOC_SIZE(static_cast<size_t>(count))) {
    if (!set_) throw system_error("CPUs", "CPU_ALLOC");
    CPU_ZERO_S(bytes_, set_.get());
  }

  cpu_set_t* get() const { return set_.get(); }
  size_t bytes() const { return bytes_; }
  void add(int cpu) { CPU_SET_S(static_cast<size_t>(cpu), bytes_, set_.get()); }
  bool has(int cpu) const { return CPU_ISSET_S(static_cast<size_t>(cpu), bytes_, set_.get()) != 0; }

 private:
  struct Free {
    void operator()(cpu_set_t* set) const { CPU_FREE(set); }
  };
  std::unique_ptr<cpu_set_t, Free> set_;
  size_t bytes_;
};

constexpr int kMostCpus = 1 << 20;  // far beyond any kernel

}  // namespace

std::vector<int> affinity(pid_t pid) {
  for (int room = CPU_SETSIZE; room <= kMostCpus; room *= 2) {
    const CpuSet set(room);
    if (::sched_getaffinity(pid, set.bytes(), set.get()) != 0) {
      if (errno == EINVAL) continue;  // the kernel knows more CPUs
      throw system_error("CPUs", "sched_getaffinity");
    }
    std::vector<int> cpus;
    for (int cpu = 0; cpu < room; ++cpu)
      if (set.has(cpu)) cpus.push_back(cpu);
    return cpus;
  }
  throw internal_error("CPUs", "more than the kernel can have");
}

void set_affinity(const std::vector<int>& cpus) {
  CpuSet set(std::max(CPU_SETSIZE, cpus.empty() ? 0 : *std::ranges::max_element(cpus) + 1));
  for (const int cpu : cpus) set.add(cpu);
  if (::sched_setaffinity(0, set.bytes(), set.get()) != 0) throw system_error("CPUs", "sched_setaffinity");
}

}  // namespace cotenant
