#include "report/answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/text.h"

namespace cotenant {
namespace {

std::string throughput_part(const ExperimentAnalysis& experiment) {
  const size_t tenants = experiment.tenants.size();
  const std::string who = tenants == 1 ? experiment.tenants[0].name : fmt::format("{} tenants", tenants);
  if (!experiment.device.tokens_per_s) return who;
  return fmt::format("{}: {} tokens/s{}", who, format_count(*experiment.device.tokens_per_s),
                     tenants == 1 ? "" : " together");
}

std::string validity_part(const ExperimentAnalysis& experiment) {
  if (!experiment.valid) return "";
  return *experiment.valid ? "valid" : "not valid";
}

// The experiment for which `figure` is greatest (or least), among those that have it.
template <class Figure>
const ExperimentAnalysis* best(std::span<const ExperimentAnalysis> experiments, Figure figure) {
  const ExperimentAnalysis* found = nullptr;
  for (const ExperimentAnalysis& experiment : experiments) {
    if (!figure(experiment)) continue;
    if (!found || *figure(experiment) > *figure(*found)) found = &experiment;
  }
  return found;
}

}  // namespace

std::string device_noun(const ExperimentAnalysis& experiment) {
  return experiment.device.name.empty() && !experiment.study_form ? "CPU" : "GPU";
}

std::optional<WorstSlowdown> worst_slowdown(const ExperimentAnalysis& experiment) {
  std::optional<WorstSlowdown> worst;
  for (size_t i = 0; i < experiment.tenants.size(); ++i) {
    const auto slowdown = experiment.tenants[i].slowdown_p50;
    if (slowdown && (!worst || *slowdown > worst->slowdown)) worst = WorstSlowdown{i, *slowdown};
  }
  return worst;
}

std::string answer(const ExperimentAnalysis& experiment) {
  std::vector<std::string> parts;
  if (experiment.stp) {
    parts.push_back(fmt::format("the work of {} {}s", format_fixed(*experiment.stp, 2), device_noun(experiment)));
  } else {
    parts.push_back(throughput_part(experiment));
  }
  if (const auto worst = worst_slowdown(experiment)) {
    const TenantAnalysis& tenant = experiment.tenants[worst->tenant];
    const std::string clock = tenant.clock_ratio ? fmt::format("clock {}x", format_fixed(*tenant.clock_ratio, 2)) : "";
    if (experiment.tenants.size() == 1)
      parts.push_back(
          fmt::format("slowdown {}x{}", format_fixed(worst->slowdown, 2), clock.empty() ? "" : ", " + clock));
    else
      parts.push_back(fmt::format("worst slowdown {}x ({}{})", format_fixed(worst->slowdown, 2), tenant.name,
                                  clock.empty() ? "" : ", " + clock));
  } else if (experiment.tenants.size() > 1) {
    parts.push_back("slowdowns unknown (no baseline)");
  }
  if (has_several_devices(experiment)) parts.push_back(fmt::format("on {} devices", experiment.devices.size()));
  if (!experiment.device.bound.empty()) parts.push_back(fmt::format("device {}-bound", experiment.device.bound));
  if (const std::string validity = validity_part(experiment); !validity.empty()) parts.push_back(validity);
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string answer(std::span<const ExperimentAnalysis> experiments) {
  std::vector<std::string> parts;
  if (const auto* most = best(experiments, [](const ExperimentAnalysis& e) { return e.stp; })) {
    parts.push_back(fmt::format("most work: {} ({} {}s)", most->name, format_fixed(*most->stp, 2), device_noun(*most)));
  } else if (const auto* fastest =
                 best(experiments, [](const ExperimentAnalysis& e) { return e.device.tokens_per_s; })) {
    parts.push_back(fmt::format("most tokens: {} ({}/s)", fastest->name, format_count(*fastest->device.tokens_per_s)));
  }
  const auto least_harm = [](const ExperimentAnalysis& e) -> std::optional<double> {
    const auto worst = worst_slowdown(e);
    return worst ? std::optional(-worst->slowdown) : std::nullopt;
  };
  if (const auto* kindest = best(experiments, least_harm)) {
    parts.push_back(fmt::format("mildest worst slowdown: {} ({}x)", kindest->name,
                                format_fixed(worst_slowdown(*kindest)->slowdown, 2)));
  }
  return parts.empty() ? fmt::format("{} experiments", experiments.size()) : fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace cotenant
