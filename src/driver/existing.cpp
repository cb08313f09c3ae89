#include "driver/existing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "results/reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

// What decides what is measured. Names, labels, places and the pause between runs do not.
constexpr const char* kSettings[] = {"device",         "sharing",        "corun",
                                     "wait",           "min_duration_s", "warmup_s",
                                     "max_duration_s", "seed",           "telemetry_interval_ms",
                                     "profiled"};
constexpr const char* kTenant[] = {"name",
                                   "model",
                                   "weights",
                                   "parameters",
                                   "engine",
                                   "dtype",
                                   "task",
                                   "batch_size",
                                   "seq_len",
                                   "max_new_tokens",
                                   "num_iters",
                                   "num_warmup",
                                   "threads",
                                   "cpus",
                                   "stress_kind",
                                   "service_ms",
                                   "sm_percent",
                                   "priority",
                                   "memory_limit_bytes",
                                   "mig_instance"};
constexpr const char* kStress[] = {"intensity", "sms"};
constexpr size_t kMostTold = 8;

nlohmann::ordered_json value_at(const nlohmann::ordered_json& object, const char* key) {
  return object.is_object() && object.contains(key) ? object.at(key) : nlohmann::ordered_json();
}

std::string asked_text(const nlohmann::ordered_json& value) {
  if (value.is_null()) return "none";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

template <size_t count>
void compare_keys(std::vector<std::string>& found, const std::string& path, const nlohmann::ordered_json& there,
                  const nlohmann::ordered_json& wanted, const char* const (&keys)[count]) {
  for (const char* key : keys)
    if (const nlohmann::ordered_json a = value_at(there, key), b = value_at(wanted, key); a != b)
      found.push_back(fmt::format("{}{}: {} there, {} asked for", path, key, asked_text(a), asked_text(b)));
}

// "random weights (seed 0)", or "(model.safetensors, 327 MiB, float16)": not why, and not where they lie.
std::string kind_of_weights(const std::string& origin) {
  const size_t from = origin.starts_with("random") ? 0 : std::min(origin.rfind('('), origin.size());
  return origin.substr(from, from == 0 ? origin.find(':') : std::string::npos);
}

std::vector<std::string> differences(const ExperimentRecord& there, const RunPlan& wanted) {
  ExperimentRecord asked;
  asked.settings = wanted.settings;
  for (const TenantPlan& tenant : wanted.tenants) asked.tenants.push_back(tenant.record);
  const nlohmann::ordered_json a = nlohmann::ordered_json::parse(to_json(there)),
                               b = nlohmann::ordered_json::parse(to_json(asked));
  std::vector<std::string> found;
  compare_keys(found, "", a.at("settings"), b.at("settings"), kSettings);
  if (there.tenants.size() != asked.tenants.size())
    found.push_back(fmt::format("tenants: {} there, {} asked for", there.tenants.size(), asked.tenants.size()));
  for (size_t i = 0; i < std::min(there.tenants.size(), asked.tenants.size()); ++i) {
    const nlohmann::ordered_json &tenant = a.at("tenants").at(i), &tenant_asked = b.at("tenants").at(i);
    const std::string path = fmt::format("tenants.{}.", i);
    compare_keys(found, path, tenant, tenant_asked, kTenant);
    const std::string &origin = there.tenants[i].weights_origin, &origin_asked = asked.tenants[i].weights_origin;
    if (!origin.empty() && kind_of_weights(origin) != kind_of_weights(origin_asked))
      found.push_back(fmt::format("{}weights: {} there, {} now", path, origin, origin_asked));
    compare_keys(found, path + "stress.", value_at(tenant, "stress"), value_at(tenant_asked, "stress"), kStress);
  }
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

std::optional<bool> validity_of_existing(const fs::path& directory, const ExperimentPlan& plan,
                                         const WantedRuns& wanted) {
  std::optional<ExperimentRecord> record;
  try {
    record = read_record(directory);
  } catch (const Error&) {  // unreadable: run again
  }
  if (!record || !record->validity.complete) return std::nullopt;
  std::vector<std::string> found = differences(*record, plan.run);
  compare_extent(found, directory, plan, wanted);
  if (found.empty()) return record->validity.valid;
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
