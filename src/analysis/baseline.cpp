#include "analysis/baseline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/open_file.h"
#include "base/text.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

constexpr size_t most_damaged_told = 3;

void compare(std::vector<std::string>& found, const char* what, const std::string& here, const std::string& alone) {
  if (!here.empty() && !alone.empty() && here != alone)
    found.push_back(fmt::format("{}: {} here, {} alone", what, here, alone));
}

// "cuda:0" and "cuda" are one kind.
std::string device_kind(const LoadedTenant& tenant) {
  const std::string device = tenant.record         ? tenant.record->device
                             : tenant.events.start ? tenant.events.start->device
                                                   : "";
  return device.substr(0, device.find(':'));
}

const LoadedTenant* of_work(const LoadedExperiment& experiment, const Work& work) {
  const auto found = std::ranges::find(experiment.tenants, work, &LoadedTenant::work);
  return found == experiment.tenants.end() ? nullptr : &*found;
}

// Experiments of a directory that holds several, newest first.
std::vector<fs::path> experiments_in(const fs::path& directory) {
  std::vector<fs::path> found;
  for (const fs::path& path : real_directories_in(directory)) {
    const std::string name = path.filename().string();
    if (name.ends_with(".incomplete") || name.find(".incomplete.") != std::string::npos || name.ends_with(".staging") ||
        name.starts_with("."))
      continue;
    if (is_experiment(path)) found.push_back(path);
  }
  const auto written = [](const fs::path& path) {
    std::error_code ignored;
    return fs::last_write_time(path, ignored);
  };
  std::sort(found.begin(), found.end(), [&](const fs::path& a, const fs::path& b) {
    const auto at_a = written(a), at_b = written(b);
    return at_a != at_b ? at_a > at_b : natural_less(a.string(), b.string());
  });
  return found;
}

bool is_profiled(const LoadedExperiment& experiment) {
  return experiment.record && experiment.record->settings.profiled;
}

std::string chip_of(const LoadedExperiment& experiment, const LoadedTenant& tenant) {
  return experiment.record && tenant.record ? device_of(*experiment.record, *tenant.record).uuid : "";
}

// Chips of one model differ by themselves, by a few percent.
bool is_on_another_chip(const LoadedExperiment& shared, const LoadedTenant& tenant, const LoadedExperiment& alone,
                        const LoadedTenant& tenant_alone) {
  const std::string here = chip_of(shared, tenant), there = chip_of(alone, tenant_alone);
  return !here.empty() && !there.empty() && here != there;
}

// Of the study's files nobody knows, and they are believed.
bool is_valid(const LoadedExperiment& experiment) {
  return !experiment.record || (experiment.record->validity.complete && experiment.record->validity.valid);
}

// One tenant, measured rather than profiled.
bool is_solo(const fs::path& directory) {
  if (peek_works(directory).size() != 1) return false;
  const auto record = read_record(directory);
  return !record || !record->settings.profiled;
}

}  // namespace

std::vector<std::string> mismatches(const LoadedExperiment& shared, const LoadedTenant& tenant,
                                    const LoadedExperiment& alone, const LoadedTenant& tenant_alone) {
  std::vector<std::string> found;
  if (tenant.work != tenant_alone.work)
    found.push_back(fmt::format("work: {} here, {} alone", describe(tenant.work), describe(tenant_alone.work)));
  if (alone.tenants.size() > 1) found.push_back(fmt::format("it was not alone, but one of {}", alone.tenants.size()));
  compare(found, "clock", std::string(to_string(tenant.clock())), std::string(to_string(tenant_alone.clock())));
  compare(found, "device", device_kind(tenant), device_kind(tenant_alone));
  if (!shared.record || !alone.record || !tenant.record || !tenant_alone.record) return found;
  const ExperimentRecord &here = *shared.record, &there = *alone.record;
  compare(found, "device", device_of(here, *tenant.record).name, device_of(there, *tenant_alone.record).name);
  if (here.settings.profiled != there.settings.profiled)
    found.push_back(fmt::format("profiled: {} here, {} alone", here.settings.profiled ? "yes" : "no",
                                there.settings.profiled ? "yes" : "no"));
  compare(found, "processor", here.host.cpu, there.host.cpu);
  compare(found, "driver", here.device().driver, there.device().driver);
  compare(found, "commit", here.build.commit, there.build.commit);
  const auto surroundings = [](const ExperimentRecord& record) {
    Surroundings all = surroundings_of(record.host);
    all.erase("usable CPUs");  // the threads, which are compared, say how many of them were used
    return all;
  };
  for (std::string& difference : differences(surroundings(here), surroundings(there), "here", "alone"))
    found.push_back(std::move(difference));
  const auto dtype = [](const TenantRecord& record) {
    return std::string(record.dtype() ? to_string(*record.dtype()) : "");
  };
  compare(found, "engine", std::string(tenant.record->engine_name()), std::string(tenant_alone.record->engine_name()));
  compare(found, "dtype", dtype(*tenant.record), dtype(*tenant_alone.record));
  compare(found, "weights", tenant.record->weights_origin, tenant_alone.record->weights_origin);
  // On a GPU no host thread computes.
  if (device_kind(tenant) == "cpu")
    compare(found, "host threads", std::to_string(tenant.record->threads.value_or(1)),
            std::to_string(tenant_alone.record->threads.value_or(1)));
  return found;
}

std::vector<std::optional<Baseline>> BaselineFinder::find(const LoadedExperiment& shared,
                                                          std::vector<std::string>& warnings) {
  std::vector<std::optional<Baseline>> found;
  for (const LoadedTenant& tenant : shared.tenants) {
    auto& baseline = found.emplace_back(asked_for(shared, tenant));
    if (!baseline) baseline = own(shared, tenant);
    // One tenant is alone itself: beside it lie runs of other times, not its baseline.
    const bool may_search = request_.search_baselines && shared.tenants.size() > 1;
    if (!baseline && may_search) baseline = beside(shared, tenant, warnings);
  }
  const bool any_asked_for = std::ranges::any_of(found, [](const auto& b) { return b && b->why == "--baseline"; });
  if (request_.baseline && !any_asked_for) {
    std::vector<std::string> works;
    for (const Work& work : peek_works(*request_.baseline)) works.push_back(describe(work));
    throw usage_error(request_.baseline->string(),
                      fmt::format("is no baseline of any tenant: it holds {}; {} does {}",
                                  works.empty() ? "no such experiment" : fmt::format("{}", fmt::join(works, "; ")),
                                  shared.tenants[0].name, describe(shared.tenants[0].work)),
                      "Give a solo run of the same work, or add --force-baseline.");
  }
  add_warnings(shared, found, warnings);
  return found;
}

// Of baselines that are used and not valid, or of another chip, and of directories that could not be read.
void BaselineFinder::add_warnings(const LoadedExperiment& shared, const std::vector<std::optional<Baseline>>& found,
                                  std::vector<std::string>& warnings) {
  std::vector<std::string> elsewhere;
  for (size_t t = 0; t < found.size(); ++t)
    if (found[t] && is_on_another_chip(shared, shared.tenants[t], *found[t]->experiment, *found[t]->tenant))
      elsewhere.push_back(shared.tenants[t].name);
  if (!elsewhere.empty())
    warnings.push_back(
        fmt::format("{}: alone on another chip, and chips of one model differ by themselves: measure alone on the "
                    "same (cotenant run --baselines).",
                    fmt::join(elsewhere, ", ")));
  std::set<fs::path> told;
  for (const auto& baseline : found)
    if (baseline && !is_valid(*baseline->experiment) && told.insert(baseline->experiment->directory).second)
      warnings.push_back(fmt::format("the baseline {} is not valid: do not trust what is compared with it.",
                                     baseline->experiment->directory.string()));
  size_t left = most_damaged_told;
  for (const auto& [directory, problem] : std::exchange(damaged_, {})) {
    if (left == 0) break;
    --left;
    warnings.push_back(fmt::format("{} is no baseline, since it cannot be read: {}", directory.string(), problem));
  }
}

BaselineFinder::Experiment BaselineFinder::load(const fs::path& directory) {
  Experiment& experiment = loaded_[directory.lexically_normal()];
  if (!experiment) experiment = std::make_shared<const LoadedExperiment>(load_experiment(directory));
  return experiment;
}

// Damaged files of another experiment are no reason to say nothing about this one.
BaselineFinder::Experiment BaselineFinder::load_or_note(const fs::path& directory) {
  try {
    return load(directory);
  } catch (const std::exception& error) {
    damaged_.emplace(directory, one_line(error.what()));
    return nullptr;
  }
}

Baseline BaselineFinder::accept(const LoadedExperiment& shared, const LoadedTenant& tenant, Experiment alone,
                                const LoadedTenant& tenant_alone, std::string why) const {
  if (is_profiled(*alone))
    throw usage_error(alone->directory.string(), "was profiled, which makes it slower: it is no baseline",
                      "Measure it with cotenant run.");
  std::vector<std::string> differences = mismatches(shared, tenant, *alone, tenant_alone);
  if (!differences.empty() && !request_.force_baseline)
    throw usage_error(alone->directory.string(),
                      fmt::format("cannot be the baseline of {}: {}", tenant.name, fmt::join(differences, "; ")),
                      "Measure it alone on the same machine (cotenant run --baselines), or add --force-baseline.");
  return {std::move(alone), &tenant_alone, std::move(why), false, std::move(differences)};
}

std::optional<Baseline> BaselineFinder::asked_for(const LoadedExperiment& shared, const LoadedTenant& tenant) {
  if (!request_.baseline) return std::nullopt;
  const fs::path& given = *request_.baseline;
  if (is_experiment(given)) {
    const Experiment alone = load(given);
    const LoadedTenant* match = of_work(*alone, tenant.work);
    if (!match && request_.force_baseline) match = &alone->tenants.front();
    return match ? std::optional(accept(shared, tenant, alone, *match, "--baseline")) : std::nullopt;
  }
  for (const fs::path& directory : solo_experiments(given))
    if (peek_works(directory).front() == tenant.work) {
      const Experiment alone = load(directory);
      return accept(shared, tenant, alone, alone->tenants.front(), "--baseline");
    }
  return std::nullopt;
}

std::optional<Baseline> BaselineFinder::own(const LoadedExperiment& shared, const LoadedTenant& tenant) {
  const fs::path baselines = shared.directory / "baselines";
  if (!is_real_directory(baselines)) return std::nullopt;
  std::vector<fs::path> candidates;
  // A load on a device is cut to the multiprocessors that it sees: only alone with its share does it do the same work.
  if (tenant.record)
    for (const std::string& kind : {tenant.record->kind, tenant.record->kind_with_share})
      if (!kind.empty() && is_real_directory(baselines / kind) && is_experiment(baselines / kind))
        candidates.push_back(baselines / kind);
  if (candidates.empty()) candidates = experiments_in(baselines);
  for (const fs::path& candidate : candidates) {
    const Experiment alone = load_or_note(candidate);
    if (!alone) continue;
    if (const LoadedTenant* match = of_work(*alone, tenant.work))
      return accept(shared, tenant, alone, *match, "this experiment's own baselines/");
  }
  return std::nullopt;
}

const std::vector<fs::path>& BaselineFinder::solo_experiments(const fs::path& data_root) {
  const auto [at, is_new] = solos_.try_emplace(data_root);
  if (!is_new) return at->second;
  for (const fs::path& directory : experiments_in(data_root)) {
    try {
      if (is_solo(directory)) at->second.push_back(directory);
    } catch (const std::exception& error) {
      damaged_.emplace(directory, one_line(error.what()));
    }
  }
  return at->second;
}

std::optional<Baseline> BaselineFinder::beside(const LoadedExperiment& shared, const LoadedTenant& tenant,
                                               std::vector<std::string>& warnings) {
  std::error_code error;
  const fs::path here = fs::weakly_canonical(shared.directory, error);
  if (error) return std::nullopt;
  std::string rejected;
  std::optional<Baseline> of_another_chip;
  for (const fs::path& directory : solo_experiments(here.parent_path())) {
    if (directory == here || peek_works(directory).front() != tenant.work) continue;
    const Experiment alone = load_or_note(directory);
    if (!alone) continue;
    auto differences = mismatches(shared, tenant, *alone, alone->tenants.front());
    if (is_valid(*alone) && (differences.empty() || request_.force_baseline)) {
      Baseline use{alone, &alone->tenants.front(), "a solo experiment found in the data root", true, differences};
      if (!is_on_another_chip(shared, tenant, *alone, *use.tenant)) return use;
      if (!of_another_chip) of_another_chip = std::move(use);
      continue;
    }
    if (!is_valid(*alone)) differences.insert(differences.begin(), "it is not valid");
    if (rejected.empty()) rejected = fmt::format("{} ({})", alone->name, fmt::join(differences, "; "));
  }
  if (of_another_chip) return of_another_chip;
  if (!rejected.empty())
    warnings.push_back(
        fmt::format("{}: the solo experiment {} is not used as its baseline: measure it alone again "
                    "(cotenant run --baselines), or add --force-baseline.",
                    tenant.name, rejected));
  return std::nullopt;
}

}  // namespace cotenant
