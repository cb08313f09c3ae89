#include "driver/existing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "driver/experiment.h"
#include "results/reader.h"
#include "results/record_fields.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// What decides what is measured, besides what the tenants are, where they stand and by which rules they run. Labels,
// places and the pause between runs do not.
constexpr const char* kSettings[] = {"device",         "sharing",        "corun",
                                     "wait",           "min_duration_s", "warmup_s",
                                     "max_duration_s", "seed",           "telemetry_interval_ms",
                                     "profiled",       "yield"};
constexpr size_t kMostTold = 8;

nlohmann::ordered_json value_at(const nlohmann::ordered_json& object, const std::string& key) {
  return object.is_object() && object.contains(key) ? object.at(key) : nlohmann::ordered_json();
}

std::string asked_text(const nlohmann::ordered_json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void compare_keys(std::vector<std::string>& found, const std::string& path, const nlohmann::ordered_json& there,
                  const nlohmann::ordered_json& wanted, const auto& keys) {
  for (const auto& key : keys)
    if (const nlohmann::ordered_json a = value_at(there, key), b = value_at(wanted, key); a != b)
      found.push_back(fmt::format("{}{}: {} there, {} asked for", path, key, asked_text(a), asked_text(b)));
}

// "random weights (seed 0)", or "(model.safetensors, 327 MiB, float16)": not why, and not where they lie.
std::string kind_of_weights(const std::string& origin) {
  const size_t from = origin.starts_with("random") ? 0 : std::min(origin.rfind('('), origin.size());
  return origin.substr(from, from == 0 ? origin.find(':') : std::string::npos);
}

// Every field of the two.
void compare_fields(std::vector<std::string>& found, const std::string& path, const auto& there, const auto& wanted) {
  const auto a = nlohmann::ordered_json::parse(fields_to_json(there)),
             b = nlohmann::ordered_json::parse(fields_to_json(wanted));
  std::set<std::string> keys;
  for (const nlohmann::ordered_json& side : {a, b})
    for (const auto& [key, value] : side.items()) keys.insert(key);
  compare_keys(found, path, a, b, keys);
}

void compare_tenants(std::vector<std::string>& found, const std::string& path, TenantRecord there,
                     const TenantRecord& wanted) {
  there.tag = wanted.tag;
  compare_fields(found, path, static_cast<const TenantDescription&>(there),
                 static_cast<const TenantDescription&>(wanted));
  if (there.parameters != wanted.parameters)
    found.push_back(fmt::format("{}parameters: {} there, {} asked for", path, there.parameters, wanted.parameters));
  const std::string &origin = there.weights_origin, &origin_asked = wanted.weights_origin;
  if (!origin.empty() && kind_of_weights(origin) != kind_of_weights(origin_asked))
    found.push_back(fmt::format("{}weights: {} there, {} now", path, origin, origin_asked));
}

std::vector<std::string> differences(const ExperimentRecord& there, const RunPlan& wanted) {
  std::vector<std::string> found;
  compare_keys(found, "", nlohmann::ordered_json::parse(fields_to_json(there.settings)),
               nlohmann::ordered_json::parse(fields_to_json(wanted.settings)), kSettings);
  if (there.tenants.size() != wanted.tenants.size())
    found.push_back(fmt::format("tenants: {} there, {} asked for", there.tenants.size(), wanted.tenants.size()));
  for (size_t i = 0; i < std::min(there.tenants.size(), wanted.tenants.size()); ++i)
    compare_tenants(found, fmt::format("tenants.{}.", i), there.tenants[i], wanted.tenants[i].record);
  return found;
}

bool is_complete(const fs::path& run) {
  const auto record = read_record(run);
  return record && record->validity.complete;
}

void compare_extent(std::vector<std::string>& found, const fs::path& directory, const ExperimentPlan& plan,
                    const WantedRuns& wanted) {
  int repeats = 1;
  while (is_complete(directory / "repeats" / fmt::format("{:02}", repeats + 1))) ++repeats;
  if (repeats < wanted.repeats)
    found.push_back(fmt::format("repeats: {} there, {} asked for", repeats, wanted.repeats));
  if (!wanted.baselines && !plan.with_baselines) return;
  const auto missing = std::ranges::count_if(plan.baselines, [&](const BaselinePlan& baseline) {
    return !is_complete(directory / "baselines" / baseline.directory);
  });
  if (missing > 0)
    found.push_back(fmt::format("baselines: {} of {} are missing there", missing, plan.baselines.size()));
}

}  // namespace

std::optional<ExitCode> outcome_of_existing(const fs::path& directory, const ExperimentPlan& plan,
                                            const WantedRuns& wanted) {
  std::optional<ExperimentRecord> record;
  try {
    record = read_record(directory);
  } catch (const Error&) {  // unreadable: run again
  }
  if (!record || !record->validity.complete) return std::nullopt;
  std::vector<std::string> found = differences(*record, plan.run);
  compare_extent(found, directory, plan, wanted);
  if (found.empty()) return exit_code_of(*record);
  if (found.size() > kMostTold) {
    const size_t more = found.size() - kMostTold;
    found.resize(kMostTold);
    found.push_back(fmt::format("{} more", more));
  }
  throw usage_error(directory.string(),
                    fmt::format("holds the results of another configuration: {}", fmt::join(found, "; ")),
                    "Without --skip-existing it is measured anew and replaced; --out or another experiment_name keeps "
                    "both.");
}

}  // namespace cotenant
