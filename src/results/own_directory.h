#pragma once

#include <filesystem>
#include <string>

// What bears our mark. Nothing else is ever replaced or removed.
//
// An experiment's directory is ours when experiment.json is there, one that this program or an earlier version of it
// wrote, and when there is nothing beside it that a run does not write: no other file, no other directory, no link,
// here and in the directories of its tenants, baselines and repeats. That of a run that has not begun, or was killed
// before, has kBegunName instead. A tenant's directory is ours when its events.jsonl begins with a run_start of ours
// (the study's names no engine) or is empty still.
namespace cotenant {

// In a directory in which a run is being prepared.
inline constexpr const char* kBegunName = ".cotenant-begun";

// Where a run that is being replaced stands in the new one's directory for an instant, on a file system that cannot
// exchange two directories.
inline constexpr const char* kReplacedName = ".cotenant-replaced";

// Why the directory is not ours, as the end of a sentence: "holds notes.txt, which no run writes". Empty: it is.
//   complete  experiment.json must be that of a run that came to its end
std::string why_not_ours(const std::filesystem::path& directory, bool complete);

// The same of a directory with one tenant's files. One that is not there or is empty is nobody's, and may be used.
std::string why_not_our_tenant(const std::filesystem::path& directory);

// Removes a directory that is ours. Looks again, and removes by name what a run writes, so that what has come in since
// stays, with the directory. Returns why_not_ours() if it is not, and why something stays.
std::string remove_ours(const std::filesystem::path& directory);

// Removes the temporary files that a killed process left in a directory that is ours.
void remove_left_over(const std::filesystem::path& directory);

// The nearest directory above `path`, links resolved, that holds an experiment.json of ours; empty: there is none.
std::filesystem::path experiment_around(const std::filesystem::path& path);

// Throws usage_error when a file at `path` would stand among an experiment's results, which a later run would then no
// longer replace.
void check_outside_results(const std::filesystem::path& path);

// Whether there is a file of that name which a run, ours or one of the study's, may have written: an output that is put
// there would destroy results.
bool is_result_file(const std::filesystem::path& path);

}  // namespace cotenant
