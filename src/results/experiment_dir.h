#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/fd.h"

// The directory of an experiment while it is being made:
//
//   <name>             the last complete run; stands untouched until a new one is complete
//   <name>.lock        says who is writing; held by flock, so it dies with its holder
//   <name>.staging/    the run that is being written
//   <name>.incomplete/ the last run that died or was interrupted
//
// commit() exchanges <name>.staging and <name>; abandon() makes <name>.staging <name>.incomplete. A staging directory
// left by a driver that was killed is kept as <name>.incomplete by the next run.
namespace cotenant {

class ExperimentDirectory {
 public:
  // Takes the lock and makes an empty staging directory. Throws usage_error when another process holds the lock (and
  // says who), when the place cannot be written, and when <name> is there but is no experiment's directory (a file, or
  // a directory with other things in it), which is never replaced.
  explicit ExperimentDirectory(const std::filesystem::path& path);
  ExperimentDirectory(const ExperimentDirectory&) = delete;
  ~ExperimentDirectory();  // neither committed nor abandoned: removes an empty staging directory, keeps any other

  // Where to write.
  const std::filesystem::path& staging() const { return staging_; }
  const std::filesystem::path& path() const { return path_; }

  void commit();                    // a complete run replaces the earlier one
  std::filesystem::path abandon();  // returns <name>.incomplete

 private:
  void take_lock();
  void recover();

  std::filesystem::path path_, staging_, incomplete_, lock_path_;
  Fd lock_;
  bool open_ = true;
};

// Whether the complete run that `path` holds is valid; nothing when it holds none (for --skip-existing).
std::optional<bool> validity_of_complete_run(const std::filesystem::path& path);

}  // namespace cotenant
