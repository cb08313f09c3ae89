#pragma once

#include <filesystem>
#include <string>

#include "base/fd.h"

// The directory of an experiment while it is being made:
//
//   <name>             the last complete run; stands untouched until a new one is complete
//   <name>.lock        says who is writing; held by flock, so it dies with its holder
//   <name>.staging/    the run that is being written
//   <name>.incomplete/ the last run that died or was interrupted; <name>.incomplete.2, .3, ...: earlier ones that have
//                      samples
//
// commit() exchanges <name>.staging and <name>; abandon() makes <name>.staging <name>.incomplete. A staging directory
// left by a driver that was killed is kept as <name>.incomplete by the next run. Of <name>, <name>.staging and
// <name>.incomplete only what bears our mark (own_directory.h) is replaced; all else is refused before anything is
// measured.
namespace cotenant {

// Throws usage_error unless a run's results may stand at `path`: it is not there, is an empty directory, or is ours and
// complete; it is no link, no directory in which this process or its user is at home, and inside no other experiment.
void check_place(const std::filesystem::path& path);

// The same of a place where one tenant's files are copied to: not there, empty, or a tenant's directory of ours;
// outside of every experiment, `experiment`, to which it belongs, included.
void check_tenant_place(const std::filesystem::path& path, const std::filesystem::path& experiment);

class ExperimentDirectory {
 public:
  // Checks the place, takes the lock, if it is to, and makes a staging directory with our mark. Throws usage_error when
  // another process holds the lock (and says who), when the place cannot be written, and as check_place() does.
  explicit ExperimentDirectory(const std::filesystem::path& path, bool lock = true);
  ExperimentDirectory(const ExperimentDirectory&) = delete;
  ~ExperimentDirectory();  // neither committed nor abandoned: keeps a staging directory that is not blank

  // Where to write.
  const std::filesystem::path& staging() const { return staging_; }
  const std::filesystem::path& path() const { return path_; }

  // Whether nothing but empty files and the experiment's own file is there yet.
  bool blank() const;

  // A complete run replaces the earlier one. Throws usage_error when that is not ours any more: abandon() keeps the new
  // one then.
  void commit();
  std::filesystem::path abandon();  // returns <name>.incomplete, or <name>.incomplete.2 where that is not ours

 private:
  void take_lock();
  void recover();
  void exchange();

  std::filesystem::path path_, staging_, incomplete_, lock_path_;
  Fd lock_;
  bool open_ = true;
};

}  // namespace cotenant
