#include "results/own_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/new_file.h"
#include "base/open_file.h"
#include "results/reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "experiment.json";
constexpr std::array<std::string_view, 6> kRunFiles = {"config.yaml",  kMark,         "telemetry.jsonl",
                                                       "profile.json", "profile.csv", "profile_trace.json"};
constexpr std::array<std::string_view, 4> kTenantFiles = {"events.jsonl", "program.log", "kernels.csv",
                                                          "kernel_names.json"};

// What stands below a directory of ours, in the order in which it can be removed: a directory behind what is in it, and
// what marks it behind the rest, so that what a kill leaves is still ours.
struct Survey {
  struct Entry {
    fs::path path;  // relative to the directory
    bool is_directory;
  };
  std::vector<Entry> entries;
  std::string problem;  // the first thing that no run writes
};

bool is_left_over(std::string_view name) {
  return name.starts_with(kTemporaryPrefix);  // of a ReplacementFile whose process was killed
}

bool take_digits(std::string_view& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  text.remove_prefix(digits);
  return digits > 0;
}

// <tenant>_<model>_b8_L128_latencies_ms.csv, _summary.txt
bool is_study_file(std::string_view name) {
  for (const std::string_view end : {"_latencies_ms.csv", "_summary.txt"}) {
    if (!name.ends_with(end)) continue;
    name.remove_suffix(end.size());
    const size_t length = name.rfind("_L");
    if (length == std::string_view::npos) return false;
    std::string_view after_length = name.substr(length + 2);
    name = name.substr(0, length);
    const size_t batch = name.rfind("_b");
    if (batch == std::string_view::npos || batch == 0) return false;
    std::string_view after_batch = name.substr(batch + 2);
    return take_digits(after_length) && after_length.empty() && take_digits(after_batch) && after_batch.empty();
  }
  return false;
}

bool is_run_file(const std::string& name) {
  return std::ranges::find(kRunFiles, name) != kRunFiles.end() || is_left_over(name);
}

bool is_tenant_file(const std::string& name) {
  return std::ranges::find(kTenantFiles, name) != kTenantFiles.end() || is_study_file(name) || is_left_over(name);
}

std::optional<ExperimentRecord> our_record(const fs::path& directory) {
  try {
    auto record = is_real_file(directory / kMark) ? read_record(directory) : std::nullopt;
    return record && !record->build.version.empty() ? record : std::nullopt;  // other programs have such files, too
  } catch (const Error&) {
    return std::nullopt;
  }
}

// A tenant's directory that no experiment.json names yet.
bool has_our_events(const fs::path& directory) {
  return is_real_file(directory / "events.jsonl") && why_not_our_tenant(directory).empty();
}

class Surveyor {
 public:
  explicit Surveyor(fs::path root) : root_(std::move(root)) {}

  // Files by `is_known`; each directory by `enter`, which says whether it knows it.
  template <class IsKnown, class Enter>
  void look(const fs::path& at, const IsKnown& is_known, const Enter& enter) {
    std::error_code error;
    std::vector<Survey::Entry> marks;
    for (auto entry = fs::directory_iterator(root_ / at, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
      if (!found.problem.empty()) return;
      const std::string name = entry->path().filename().string();
      if (is_real_file(entry->path()) && is_known(name) && (name == kMark || name == kBegunName))
        marks.push_back({at / name, false});
      else if (is_real_file(entry->path()) && is_known(name))
        found.entries.push_back({at / name, false});
      else if (!is_real_directory(entry->path()) || !enter(at / name, name))
        found.problem = fmt::format("holds {}, which no run writes", (at / name).string());
    }
    if (error) found.problem = fmt::format("cannot be read: {}", error.message());
    found.entries.insert(found.entries.end(), marks.begin(), marks.end());
    if (!at.empty()) found.entries.push_back({at, true});
  }

  void look_at_run(const fs::path& at) {
    std::vector<std::string> tenants;
    if (const auto record = our_record(root_ / at))
      for (const TenantRecord& tenant : record->tenants) tenants.push_back(tenant.directory);
    look(at, is_run_file, [&](const fs::path& path, const std::string& name) {
      if (name == "baselines" || name == "repeats")
        look_at_runs(path);
      else if (at.empty() && name == kReplacedName)
        look_at_run(path);
      else if (std::ranges::find(tenants, name) != tenants.end() || has_our_events(root_ / path))
        look_at_tenant(path);
      else
        return false;
      return true;
    });
  }

  Survey found;

 private:
  void look_at_runs(const fs::path& at) {
    look(at, is_left_over, [&](const fs::path& path, const std::string&) {
      look_at_run(path);
      return true;
    });
  }

  void look_at_tenant(const fs::path& at) {
    look(at, is_tenant_file, [](const fs::path&, const std::string&) { return false; });
  }

  const fs::path root_;
};

Survey survey(const fs::path& directory, bool complete) {
  if (!is_real_directory(directory)) return {{}, "is no directory"};
  const auto record = our_record(directory);
  if (!record && (complete || !is_real_file(directory / kBegunName)))
    return {{}, "has no experiment.json of cotenant's"};
  if (complete && !record->validity.complete) return {{}, "holds a run that did not come to its end"};
  Surveyor surveyor(directory);
  surveyor.look_at_run("");
  return std::move(surveyor.found);
}

Fd open_directory(const fs::path& directory) {
  return Fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Removes `path` below the directory without following a link.
bool remove_below(const Fd& root, const fs::path& path, int flags) {
  constexpr int open_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd parent(::openat(root.get(), ".", open_flags));
  for (const fs::path& component : path.parent_path())
    parent = Fd(::openat(parent.get(), component.c_str(), open_flags));
  return parent && ::unlinkat(parent.get(), path.filename().c_str(), flags) == 0;
}

}  // namespace

std::string why_not_ours(const fs::path& directory, bool complete) {
  return survey(directory, complete).problem;
}

std::string why_not_our_tenant(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(directory, error))) return "";
  if (!is_real_directory(directory)) return "is no directory";
  Surveyor surveyor(directory);
  surveyor.look("", is_tenant_file, [](const fs::path&, const std::string&) { return false; });
  if (!surveyor.found.problem.empty() || surveyor.found.entries.empty()) return surveyor.found.problem;
  const fs::path events = directory / "events.jsonl";
  std::error_code error_of_size;
  if (is_real_file(events) && fs::file_size(events, error_of_size) == 0) return "";
  const auto start = is_real_file(events) ? peek_run_start(events) : std::nullopt;
  return start && start->config_json.find("\"engine\":") != std::string::npos
             ? ""
             : "holds events.jsonl or other results that cotenant did not write";
}

void remove_left_over(const fs::path& directory) {
  const Survey found = survey(directory, false);
  const Fd root = open_directory(directory);
  if (!found.problem.empty() || !root) return;
  for (const auto& [path, is_directory] : found.entries)
    if (!is_directory && is_left_over(path.filename().string()) && path.filename() != kBegunName)
      remove_below(root, path, 0);
}

std::string remove_ours(const fs::path& directory) {
  const Survey found = survey(directory, false);
  if (!found.problem.empty()) return found.problem;
  const Fd root = open_directory(directory);
  if (!root) return std::string("cannot be opened: ") + std::strerror(errno);
  for (const auto& [path, is_directory] : found.entries)
    if (!remove_below(root, path, is_directory ? AT_REMOVEDIR : 0))
      return fmt::format("holds {}, which cannot be removed: {}", path.string(), std::strerror(errno));
  return ::rmdir(directory.c_str()) == 0 ? "" : std::string("cannot be removed: ") + std::strerror(errno);
}

bool is_result_file(const fs::path& path) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(path, error);
  const std::string name = target.filename().string();
  return fs::is_regular_file(target, error) && (is_run_file(name) || is_tenant_file(name));
}

fs::path experiment_around(const fs::path& path) {
  std::error_code error;
  fs::path at = fs::weakly_canonical(path, error);
  while (!error && at.has_relative_path()) {
    at = at.parent_path();
    if (our_record(at)) return at;
  }
  return {};
}

void check_outside_results(const fs::path& path) {
  if (const fs::path around = experiment_around(path); !around.empty())
    throw usage_error(path.string(),
                      fmt::format("lies in {}, an experiment's results, which nothing is put beside: a later run could "
                                  "not replace them",
                                  around.string()),
                      "Choose another place.");
}

}  // namespace cotenant
