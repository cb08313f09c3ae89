#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace cotenant {

// A control group of this kernel, of whichever version has the controller, for as long as this object lives. Needs the
// right to make one.
class RealControlGroup {
 public:
  explicit RealControlGroup(const std::string& controller) {
    namespace fs = std::filesystem;
    const std::string name = "cotenant-test-" + std::to_string(::getpid());
    std::error_code failed;
    const fs::path first = fs::path("/sys/fs/cgroup") / controller, second = "/sys/fs/cgroup";
    is_second_ = fs::exists(second / "cgroup.controllers", failed);
    if (is_second_) std::ofstream(second / "cgroup.subtree_control") << "+" << controller;
    path_ = (is_second_ ? second : first) / name;
    const bool made = fs::create_directory(path_, failed);
    const char* file = controller == "cpu" ? (is_second_ ? "cpu.max" : "cpu.cfs_quota_us")
                                           : (is_second_ ? "memory.max" : "memory.limit_in_bytes");
    if (!made || !fs::exists(path_ / file, failed))
      problem_ = "no control group with a controller of " + controller + " can be made here";
  }
  RealControlGroup(const RealControlGroup&) = delete;
  ~RealControlGroup() {
    for (int i = 0; i < 100 && ::rmdir(path_.c_str()) != 0; ++i) ::usleep(20'000);  // processes may still be ending
  }

  const std::string& problem() const { return problem_; }  // empty: it is there
  std::filesystem::path processes() const { return path_ / "cgroup.procs"; }

  void set_cpu_quota(double cores) const {
    const long quota_us = static_cast<long>(cores * 100'000);
    if (is_second_)
      write("cpu.max", std::to_string(quota_us) + " 100000");
    else
      write("cpu.cfs_quota_us", std::to_string(quota_us));
  }
  void set_memory_limit(uint64_t bytes) const {
    write(is_second_ ? "memory.max" : "memory.limit_in_bytes", std::to_string(bytes));
  }
  void enter() const { std::ofstream(processes()) << ::getpid(); }

 private:
  void write(const char* file, const std::string& text) const { std::ofstream(path_ / file) << text; }

  std::filesystem::path path_;
  bool is_second_ = false;
  std::string problem_;
};

}  // namespace cotenant
