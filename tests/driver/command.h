#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/temporary_directory.h"
#include "process/child.h"
#include "results/event.h"
#include "results/record.h"

namespace cotenant {

struct Finished {
  ExitStatus status;
  std::string out, err;
};

// A directory for one test, and commands run in it.
class DriverTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const;
  std::string read(const std::filesystem::path& name) const;
  std::filesystem::path at(const std::filesystem::path& name) const { return root_ / name; }

  // Starts `cotenant <arguments>` by a shell in root_; `before` are shell commands such as "ulimit -f 8;".
  std::unique_ptr<Child> start(const std::string& arguments, const std::string& before = "") const;
  Finished finish(Child& child) const;
  Finished run(const std::string& arguments, const std::string& before = "") const;

  ExperimentRecord record(const std::filesystem::path& directory) const;
  // The iterations in <directory>/<tenant>/events.jsonl, every line of which must be whole.
  std::vector<Iteration> iterations(const std::filesystem::path& directory, const std::string& tenant) const;

  const TemporaryDirectory directory_;
  const std::filesystem::path root_ = directory_.path();
};

// The driver's workers that are running now.
std::vector<pid_t> workers_of(pid_t driver);

// Waits until the condition holds, 30 s at most.
bool eventually(const std::function<bool()>& condition, double seconds = 30);

// Gone, or a zombie that nobody reaps.
bool is_gone(pid_t pid);

}  // namespace cotenant
