#include "analysis/warnings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/fairness.h"
#include "base/text.h"
#include "stats/intervals.h"

namespace cotenant {
namespace {

using Warnings = std::vector<std::string>;

void of_files(Warnings& warnings, const LoadedTenant& tenant) {
  const EventFile& events = tenant.events;
  if (events.torn_last_line)
    warnings.push_back(fmt::format("{}: the last line of events.jsonl is cut and was ignored.", tenant.name));
  if (events.unknown_events > 0)
    warnings.push_back(fmt::format("{}: {} events of unknown types were ignored.", tenant.name, events.unknown_events));
  if (events.suspicious > 0)
    warnings.push_back(fmt::format("{}: {} latencies are 0 or longer than an hour (line {}{}): look at them.",
                                   tenant.name, events.suspicious, fmt::join(events.suspicious_lines, ", "),
                                   events.suspicious > events.suspicious_lines.size() ? ", ..." : ""));
  if (!events.end && events.iterations > 0)
    warnings.push_back(fmt::format("{}: events.jsonl has no run_end: the run did not come to its end.", tenant.name));
  if (tenant.tally.failed + tenant.tally.rejected > 0)
    warnings.push_back(fmt::format("{}: {} requests failed and {} were rejected; they are in no latency.", tenant.name,
                                   tenant.tally.failed, tenant.tally.rejected));
}

void of_samples(Warnings& warnings, const TenantAnalysis& tenant) {
  const size_t n = tenant.metric_ms.size();
  if (tenant.died) warnings.push_back(fmt::format("{} died: {}", tenant.name, *tenant.died));
  if (n == 0) {
    warnings.push_back(
        fmt::format("{}: no sample counts, {}: nothing can be said of its latency.", tenant.name,
                    tenant.failed + tenant.rejected > 0 && tenant.iterations == tenant.failed + tenant.rejected
                        ? "because all its requests failed"
                    : tenant.iterations == 0 ? "because it made no request"
                                             : "because none lies wholly inside the window"));
    return;
  }
  const auto [least, greatest] = std::ranges::minmax(tenant.metric_ms);
  if (n > 1 && least == greatest)
    warnings.push_back(fmt::format("{}: all {} samples are equal: spread and tests mean nothing.", tenant.name, n));
  if (tenant.settled_after)
    warnings.push_back(
        fmt::format("{}: the first {} of {} samples lie {:+.0f}% off the rest, as if still warming up: "
                    "raise num_warmup or warmup_s.",
                    tenant.name, *tenant.settled_after, n, 100 * tenant.settling_shift));
  if (tenant.changed_after)
    warnings.push_back(fmt::format(
        "{}: the level changed in the middle: the first {} of {} samples lie {:+.0f}% off the rest: look at "
        "what began or ended then.",
        tenant.name, *tenant.changed_after, n, 100 * tenant.settling_shift));
}

// "a, b, c and 7 more".
std::string some_of(const std::vector<std::string>& names) {
  const size_t named = std::min<size_t>(names.size(), 3);
  std::string text =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(named), ", "));
  return names.size() > named ? text + fmt::format(" and {} more", names.size() - named) : text;
}

// One line for all tenants of which a percentile has no interval.
void of_few_samples(Warnings& warnings, const std::vector<TenantAnalysis>& tenants, Metric metric) {
  const auto add = [&](const char* what, double quantile, std::optional<Interval> Summary::*interval,
                       double Summary::*effective) {
    const size_t needed = fewest_for_interval(quantile);
    std::vector<std::string> short_of;
    for (const TenantAnalysis& tenant : tenants) {
      const Summary* summary = summary_of(tenant, metric);
      if (!summary || summary->count == 0 || summary->*interval) continue;
      short_of.push_back(summary->count < needed
                             ? fmt::format("{} has {}", tenant.name, summary->count)
                             : fmt::format("{} has {} that tell as much as {} independent ones", tenant.name,
                                           summary->count,
                                           format_fixed(std::min(summary->*effective, summary->n_eff_p50), 0)));
    }
    if (short_of.empty()) return;
    warnings.push_back(
        fmt::format("n too small for an interval of {}: it needs {} samples, {}: raise num_iters or "
                    "min_duration_s.",
                    what, needed, some_of(short_of)));
  };
  add("the median", 0.5, &Summary::ci95_p50, &Summary::n_eff_p50);
  add("p95", 0.95, &Summary::ci95_p95, &Summary::n_eff_p95);
  add("p99", 0.99, &Summary::ci95_p99, &Summary::n_eff_p99);
}

// What the clock alone does to a slowdown: work whose speed follows the SM clock takes 1 / ratio as long.
std::string of_clocks(const TenantAnalysis& tenant) {
  const double ratio = *tenant.clock_ratio, by_clock = 1 / ratio, alone_mhz = *tenant.baseline->sm_clock_mhz;
  std::string text = fmt::format("{} MHz shared and {} MHz alone ({}x)", format_fixed(ratio * alone_mhz, 0),
                                 format_fixed(alone_mhz, 0), format_fixed(ratio, 2));
  if (!tenant.slowdown_p50) return text;
  if (ratio > 1) return text + ": at equal clocks the slowdown would be greater";
  // The mean too, because a median may hide waits, which no clock makes.
  const double slowdown = std::max(*tenant.slowdown_p50, tenant.slowdown_mean.value_or(0));
  if (slowdown <= 1 + clocks_differ) return text;
  text += fmt::format(", which by itself makes work up to {}x slower: ", format_fixed(by_clock, 2));
  return text + (slowdown <= by_clock * (1 + clocks_differ) ? "that explains the slowdown, which is then no contention"
                                                            : "that part of the slowdown is the clock's");
}

void of_baselines(Warnings& warnings, const ExperimentAnalysis& analysis) {
  std::vector<std::string> without, hidden;
  std::map<std::string, std::vector<std::string>> forced, clocked, throttled;  // what is said, and of whom
  for (const TenantAnalysis& tenant : analysis.tenants) {
    if (!tenant.baseline) {
      without.push_back(tenant.name);
      continue;
    }
    if (tenant.slowdown_p50 && tenant.slowdown_mean && *tenant.slowdown_mean > median_hides * *tenant.slowdown_p50)
      hidden.push_back(fmt::format("{} ({}x by the median, {}x by the mean)", tenant.name,
                                   format_fixed(*tenant.slowdown_p50, 2), format_fixed(*tenant.slowdown_mean, 2)));
    for (const std::string& mismatch : tenant.baseline->mismatches) forced[mismatch].push_back(tenant.name);
    if (tenant.clock_ratio && std::abs(*tenant.clock_ratio - 1) > clocks_differ)
      clocked[of_clocks(tenant)].push_back(tenant.name);
    if (tenant.baseline->throttled_samples > 0)
      throttled[fmt::format("{} of {}", tenant.baseline->throttled_samples, tenant.baseline->clock_samples)].push_back(
          tenant.name);
  }
  for (const auto& [mismatch, names] : forced)
    warnings.push_back(fmt::format("{}: the baseline is forced in spite of {}: the slowdown may mean nothing.",
                                   some_of(names), mismatch));
  for (const auto& [clocks, names] : clocked)
    warnings.push_back(fmt::format("{}: the mean SM clock was {}.", some_of(names), clocks));
  for (const auto& [samples, names] : throttled)
    warnings.push_back(
        fmt::format("{}: alone, the device was throttled in {} samples of its clock.", some_of(names), samples));
  if (!hidden.empty())
    warnings.push_back(
        fmt::format("the median hides waits of {}: few requests wait, and long: judge by progress, the mean and p99.",
                    some_of(hidden)));
  if (!without.empty() && analysis.tenants.size() > 1)
    warnings.push_back(
        fmt::format("no baseline of {}: progress and slowdown are unknown: run with --baselines, or give "
                    "--baseline DIR.",
                    some_of(without)));
}

void of_open_loops(Warnings& warnings, const LoadedExperiment& experiment) {
  std::vector<std::string> open;
  for (const LoadedTenant& tenant : experiment.tenants)
    if (tenant.is_open_loop()) open.push_back(tenant.name);
  if (!open.empty())
    warnings.push_back(
        fmt::format("{}: requests come by themselves, so that the rate says nothing of the speed: no "
                    "progress, STP or verdict: judge by slowdown and tails.",
                    some_of(open)));
}

void of_comparisons(Warnings& warnings, const ExperimentAnalysis& analysis, const LoadedExperiment& experiment) {
  if (experiment.tenants.size() == 1) {
    warnings.push_back("one tenant: there is no fairness to speak of.");
    return;
  }
  const Work& first = experiment.tenants[0].work;
  const bool same = std::ranges::all_of(experiment.tenants, [&](const auto& t) { return t.work == first; });
  if (!same)
    warnings.push_back(analysis.fairness ? "tenants do different work: fairness is that of progress, and a difference "
                                           "of their latencies is no unfairness."
                                         : "tenants do different work and have no baseline: no fairness can be given.");
  if (!analysis.significance)
    warnings.push_back("n too small for tests: every tenant needs at least 2 samples: raise num_iters.");
  if (analysis.significance && analysis.significance->pairs.empty())
    warnings.push_back(
        fmt::format("{} tenants: pairs are tested up to {} of them.", analysis.tenants.size(), most_tenants_paired));
  const auto &overlap_s = analysis.device.overlap_s, &longest_s = analysis.device.max_completion_s;
  const bool own_lengths = analysis.study_form || analysis.corun == Corun::fixed;
  if (own_lengths && overlap_s && longest_s && *overlap_s < least_overlap * *longest_s)
    warnings.push_back(
        fmt::format("all tenants ran together for {}% of the longest one's time only: what came after "
                    "had less company: use corun: overlap.",
                    format_fixed(100 * *overlap_s / *longest_s, 0)));
  const bool events_only =
      std::ranges::any_of(analysis.tenants, [](const auto& t) { return t.clock == Clock::cuda_event; });
  if (events_only && analysis.metric == Metric::latency)
    warnings.push_back(
        "latencies are between CUDA events, which miss waits and include other tenants' slices: no verdict but the "
        "study's, which knows no interval: where samples are few, or some requests wait, it calls equal tenants "
        "unfair.");
  const bool unclear = std::ranges::any_of(
      analysis.tenants, [](const auto& t) { return t.verdict == Verdict::unclear && !t.relative_progress_interval; });
  if (unclear)
    warnings.push_back(
        "n too small for a verdict: every tenant and baseline needs 16 requests in its window, or there must be 3 "
        "repeats: raise min_duration_s, or run with --repeat 5.");
}

// What the run warned of and the analysis finds by itself, of all tenants at once.
bool said_below(std::string_view warning, const ExperimentAnalysis& analysis) {
  if (warning.starts_with("too few samples") || warning.starts_with("the tenants overlapped for")) return true;
  const bool same_samples = analysis.metric == Metric::latency && analysis.corun != Corun::fixed;
  return same_samples && (warning.ends_with("as if still warming up") || warning.ends_with("in the middle of the run"));
}

}  // namespace

void add_warnings(ExperimentAnalysis& analysis, const LoadedExperiment& experiment) {
  Warnings& warnings = analysis.warnings;
  if (experiment.record && experiment.record->settings.profiled)
    warnings.push_back(
        "kernels were recorded: the latencies of a profiled run are inflated: take them from cotenant run.");
  if (experiment.record)
    for (const WarningRecord& warning : experiment.record->validity.warnings)
      if (!said_below(warning.what, analysis))
        warnings.push_back(warning.remedy.empty() ? warning.what : warning.what + ": " + warning.remedy);
  for (const LoadedTenant& tenant : experiment.tenants) of_files(warnings, tenant);
  for (const TenantAnalysis& tenant : analysis.tenants) of_samples(warnings, tenant);
  of_few_samples(warnings, analysis.tenants, analysis.metric);
  of_baselines(warnings, analysis);
  of_open_loops(warnings, experiment);
  of_comparisons(warnings, analysis, experiment);
  for (const PerDeviceAnalysis& device : analysis.devices)
    if (device.throttled_samples > 0)
      warnings.push_back(
          fmt::format("{} was throttled in {} of {} samples of its clock: compare with the same "
                      "power and temperature only.",
                      has_several_devices(analysis) ? device.device : "the device", device.throttled_samples,
                      device.clock_samples));
}

}  // namespace cotenant
