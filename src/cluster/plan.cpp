#include "cluster/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/directory.h"
#include "base/error.h"
#include "base/new_file.h"
#include "cluster/claims.h"
#include "config/load.h"
#include "config/overrides.h"
#include "results/output_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr double kStart_s = 10;  // of workers, models and, on a GPU, tuning; a small model takes less, a large one more
constexpr size_t kMostDifferences = 8;
constexpr const char* kDirectories[] = {"workers", "claims", "again", "failed",  "journal",
                                        "figures", "work",   "aside", "devices", "probe"};

std::string value_text(const nlohmann::ordered_json& document, const nlohmann::ordered_json::json_pointer& at) {
  return document.contains(at) ? document.at(at).dump() : "none";
}

// "/tenants/0/batch_size" as `--set` has it.
std::string key_of(std::string pointer) {
  std::ranges::replace(pointer, '/', '.');
  return pointer.substr(std::min<size_t>(1, pointer.size()));
}

std::string name_of(const StudyConfiguration& configuration) {
  return configuration.file.empty() ? configuration.experiment_name : fs::path(configuration.file).filename().string();
}

nlohmann::ordered_json resolved(const StudyConfiguration& configuration, const std::vector<std::string>& cell = {}) {
  return resolved_json(parse_config(configuration.text, configuration.file, {.set = configuration.set, .vary = cell}));
}

void compare_configurations(std::vector<std::string>& found, const StudyConfiguration& there,
                            const StudyConfiguration& asked) {
  if (there.text == asked.text && there.set == asked.set) return;
  const nlohmann::ordered_json a = resolved(there), b = resolved(asked);
  for (const auto& change : nlohmann::ordered_json::diff(a, b)) {
    const auto pointer = change.at("path").get<std::string>();
    const nlohmann::ordered_json::json_pointer at(pointer.ends_with("/-") ? pointer.substr(0, pointer.size() - 2)
                                                                          : pointer);
    found.push_back(fmt::format("{}: {}: {} there, {} asked for", name_of(asked), key_of(at.to_string()),
                                value_text(a, at), value_text(b, at)));
  }
}

void compare_runs(std::vector<std::string>& found, const StudyPlan& there, const StudyPlan& asked) {
  std::set<std::string> a, b;
  for (const StudyRun& run : there.runs) a.insert(run.name);
  for (const StudyRun& run : asked.runs) b.insert(run.name);
  for (const std::string& name : a)
    if (!b.contains(name)) found.push_back(fmt::format("{} is there and not asked for", name));
  for (const std::string& name : b)
    if (!a.contains(name)) found.push_back(fmt::format("{} is asked for and not there", name));
}

std::string text_of(const std::optional<double>& value) {
  return value ? fmt::format("{:g}", *value) : "none";
}

void compare_option(std::vector<std::string>& found, const char* name, const auto& there, const auto& asked) {
  if (there != asked) found.push_back(fmt::format("{}: {} there, {} asked for", name, there, asked));
}

bool same_study(const StudyPlan& there, const StudyPlan& asked) {
  return std::ranges::any_of(there.configurations, [&](const StudyConfiguration& a) {
    return std::ranges::any_of(asked.configurations,
                               [&](const StudyConfiguration& b) { return a.experiment_name == b.experiment_name; });
  });
}

[[noreturn]] void refuse_plan(const StudyFiles& files, const StudyPlan& there, const StudyPlan& asked,
                              std::vector<std::string> found) {
  if (!same_study(there, asked))
    throw usage_error(files.directory().string(),
                      fmt::format("holds another study, of {} runs, {} among them", there.runs.size(),
                                  there.runs.empty() ? "none" : there.runs.front().name),
                      "Give each study a directory of its own.");
  const size_t more = found.size() - std::min(found.size(), kMostDifferences);
  found.resize(found.size() - more);
  if (more > 0) found.push_back(fmt::format("{} more", more));
  throw usage_error(files.directory().string(), fmt::format("was begun with another plan: {}", fmt::join(found, "; ")),
                    "Take another directory; or --force: complete runs that it changes are put aside and run anew.");
}

// Runs that are complete and not what is asked for.
void put_changed_aside(const StudyFiles& files, const StudyPlan& there, const StudyPlan& asked) {
  const bool all = there.baselines != asked.baselines || there.repeats != asked.repeats || there.strict != asked.strict;
  std::map<std::string, const StudyRun*> before;
  for (const StudyRun& run : there.runs) before[run.name] = &run;
  for (const StudyRun& run : asked.runs) {
    const auto found = before.find(run.name);
    struct stat status;
    if (::lstat(files.run(run.name).c_str(), &status) != 0) continue;
    const auto of = [](const StudyPlan& plan, const StudyRun& one) {
      return resolved(plan.configurations[static_cast<size_t>(one.configuration)], one.cell);
    };
    if (all || found == before.end() || of(there, *found->second) != of(asked, run)) {
      put_aside(files, files.run(run.name));
      for (const char* mark : {"again", "failed"}) ::unlink(files.in(mark, run.name).c_str());
    }
  }
}

// Until the first process has replaced the plan.
void wait_for_plan(const StudyFiles& files, const StudyPlan& asked) {
  for (int waited_s = 0; waited_s < static_cast<int>(kLease_s); ++waited_s) {
    if (plan_differences(read_plan(files), asked).empty()) return;
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  refuse_plan(files, read_plan(files), asked, plan_differences(read_plan(files), asked));
}

}  // namespace

double estimate_s(const ExperimentConfig& config, const StudyPlan& plan) {
  std::set<std::string> kinds;
  for (const TenantConfig& tenant : config.tenants) kinds.insert(tenant.model + tenant.name);
  const double runs = plan.baselines || config.baselines ? 1.0 + static_cast<double>(kinds.size()) : 1.0;
  const double one =
      kStart_s + config.warmup_s + config.min_duration_s + plan.sleep_s.value_or(config.sleep_duration_s);
  return plan.repeats * runs * one;
}

ExperimentConfig config_of(const StudyFiles& files, const StudyPlan& plan, const StudyRun& run) {
  const StudyConfiguration& configuration = plan.configurations.at(static_cast<size_t>(run.configuration));
  ConfigChanges changes{.set = configuration.set, .vary = run.cell, .one_place = true, .suffix = run.suffix};
  const fs::path place = files.run(directory_name(configuration.experiment_name));
  changes.set.push_back(text_override("out_dir", place.string()));
  return parse_config(configuration.text, configuration.file, changes);
}

std::vector<std::string> plan_differences(const StudyPlan& there, const StudyPlan& asked) {
  std::vector<std::string> found;
  for (const StudyConfiguration& b : asked.configurations)
    for (const StudyConfiguration& a : there.configurations)
      if (a.experiment_name == b.experiment_name) compare_configurations(found, a, b);
  compare_runs(found, there, asked);
  compare_option(found, "--baselines", there.baselines, asked.baselines);
  compare_option(found, "--repeat", there.repeats, asked.repeats);
  compare_option(found, "--strict", there.strict, asked.strict);
  compare_option(found, "--sleep", text_of(there.sleep_s), text_of(asked.sleep_s));
  return found;
}

bool publish(const StudyFiles& files, const fs::path& file, const std::string& text) {
  const fs::path temporary = files.in("work", std::string(kTemporaryPrefix) + random_name());
  write_file(temporary, text);
  const bool made = ::link(temporary.c_str(), file.c_str()) == 0;
  const int error = errno;
  ::unlink(temporary.c_str());
  if (made || error == EEXIST) return made;
  errno = error;
  throw file_error(file.string(), "link");
}

fs::path put_aside(const StudyFiles& files, const fs::path& what) {
  struct stat status;
  if (::lstat(what.c_str(), &status) != 0) return {};
  for (int number = 1;; ++number) {
    const fs::path aside = files.in("aside", fmt::format("{}.{}", what.filename().string(), number));
    if (::lstat(aside.c_str(), &status) == 0) continue;
    if (::rename(what.c_str(), aside.c_str()) == 0) return aside;
    if (errno == ENOENT) return {};  // another process was faster
    if (errno != EEXIST && errno != ENOTEMPTY) throw file_error(what.string(), "rename");
  }
}

void settle_plan(const StudyFiles& files, const StudyPlan& asked, bool force, bool first) {
  for (const char* directory : kDirectories)
    make_directory(files.in(directory), "Choose another directory with --study.");
  if (!is_study(files.directory()) && publish(files, files.plan(), to_json(asked))) return;
  const StudyPlan there = read_plan(files);
  std::vector<std::string> found = plan_differences(there, asked);
  if (found.empty()) return;
  if (!force) refuse_plan(files, there, asked, std::move(found));
  if (!first) return wait_for_plan(files, asked);
  put_changed_aside(files, there, asked);
  write_file(files.plan(), to_json(asked));
}

}  // namespace cotenant
