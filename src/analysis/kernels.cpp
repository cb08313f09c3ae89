#include "analysis/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

#include "analysis/load.h"
#include "base/error.h"
#include "stats/describe.h"

namespace cotenant {
namespace {

constexpr std::array<double, 5> kGapEdges_s = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2};

KernelSummary summary_of(std::vector<double> durations_us) {
  std::ranges::sort(durations_us);
  KernelSummary summary;
  summary.instances = durations_us.size();
  summary.mean_us = mean(durations_us);
  summary.median_us = percentile(durations_us, 0.5);
  summary.min_us = durations_us.front();
  summary.max_us = durations_us.back();
  summary.std_us = standard_deviation(durations_us);
  for (const double us : durations_us) summary.total_ms += us * 1e-3;
  return summary;
}

// From the first kernel to the last, for a run that has no window.
TimeSpan extent_of(const std::vector<std::vector<TimeSpan>>& sets) {
  TimeSpan extent{std::numeric_limits<double>::infinity(), 0};
  for (const auto& spans : sets) {
    if (spans.empty()) continue;
    extent.start_s = std::min(extent.start_s, spans.front().start_s);
    extent.end_s = std::max(extent.end_s, spans.back().end_s);
  }
  return extent.start_s <= extent.end_s ? extent : TimeSpan{};
}

}  // namespace

std::vector<TimeSpan> merge_spans(std::vector<TimeSpan> spans) {
  std::erase_if(spans, [](const TimeSpan& span) { return !(span.start_s < span.end_s); });
  std::ranges::sort(spans, {}, &TimeSpan::start_s);
  size_t count = 0;
  for (const TimeSpan& span : spans) {
    if (count > 0 && span.start_s <= spans[count - 1].end_s)
      spans[count - 1].end_s = std::max(spans[count - 1].end_s, span.end_s);
    else
      spans[count++] = span;
  }
  spans.resize(count);
  return spans;
}

// A sweep over all beginnings and ends.
std::vector<TimeSpan> spans_with_at_least(std::span<const std::vector<TimeSpan>> sets, size_t least) {
  std::vector<std::pair<double, int>> edges;
  for (const auto& spans : sets)
    for (const TimeSpan& span : spans) {
      edges.emplace_back(span.start_s, +1);
      edges.emplace_back(span.end_s, -1);
    }
  std::ranges::sort(edges);
  std::vector<TimeSpan> found;
  int active = 0;
  double since_s = 0;
  for (const auto& [at_s, step] : edges) {
    const bool was = active >= static_cast<int>(least);
    active += step;
    const bool is = active >= static_cast<int>(least);
    if (!was && is) since_s = at_s;
    if (was && !is) found.push_back({since_s, at_s});
  }
  return merge_spans(std::move(found));
}

std::vector<TimeSpan> clip(std::span<const TimeSpan> spans, const TimeSpan& window) {
  std::vector<TimeSpan> inside;
  for (const TimeSpan& span : spans) {
    const TimeSpan part{std::max(span.start_s, window.start_s), std::min(span.end_s, window.end_s)};
    if (part.start_s < part.end_s) inside.push_back(part);
  }
  return inside;
}

double sum_s(std::span<const TimeSpan> spans) {
  double sum = 0;
  for (const TimeSpan& span : spans) sum += span.length_s();
  return sum;
}

std::vector<TimeSpan> kernel_spans(const KernelRecords& records) {
  std::vector<TimeSpan> spans;
  for (const KernelActivity& activity : records.activities)
    if (activity.kind == KernelActivity::Kind::kernel) spans.push_back({activity.start_s, activity.end_s});
  return spans;
}

IdleGaps idle_gaps(std::span<const TimeSpan> merged, const TimeSpan& window) {
  IdleGaps gaps;
  double from_s = 0;
  for (const double edge_s : kGapEdges_s) {
    gaps.histogram.push_back({.from_s = from_s, .below_s = edge_s});
    from_s = edge_s;
  }
  gaps.histogram.push_back({.from_s = from_s});
  const auto add = [&](double start_s, double end_s) {
    const double length_s = end_s - start_s;
    if (!(length_s > 0)) return;
    ++gaps.count;
    gaps.total_s += length_s;
    gaps.longest_s = std::max(gaps.longest_s, length_s);
    const auto bin = std::ranges::find_if(gaps.histogram, [&](const GapBin& b) { return length_s < b.below_s; });
    ++bin->count;
    bin->total_s += length_s;
  };
  double idle_since_s = window.start_s;
  for (const TimeSpan& span : clip(merged, window)) {
    add(idle_since_s, span.start_s);
    idle_since_s = span.end_s;
  }
  add(idle_since_s, window.end_s);
  return gaps;
}

std::vector<KernelSummary> summarize_kernels(const KernelRecords& records, const TimeSpan& window) {
  std::map<std::pair<KernelActivity::Kind, uint32_t>, std::vector<double>> durations_us;
  for (const KernelActivity& a : records.activities)
    if (a.on_device() && a.start_s >= window.start_s && a.end_s <= window.end_s)
      durations_us[{a.kind, a.name}].push_back((a.end_s - a.start_s) * 1e6);
  std::vector<KernelSummary> summaries;
  double total_ms = 0;
  for (auto& [key, us] : durations_us) {
    KernelSummary& summary = summaries.emplace_back(summary_of(std::move(us)));
    summary.kind = key.first;
    summary.name = records.names.at(key.second);
    total_ms += summary.total_ms;
  }
  for (KernelSummary& summary : summaries) summary.share_percent = total_ms > 0 ? 100 * summary.total_ms / total_ms : 0;
  std::ranges::stable_sort(summaries, std::greater<>(), &KernelSummary::total_ms);
  return summaries;
}

ProfileAnalysis analyze_profile(const std::filesystem::path& directory) {
  const LoadedExperiment experiment = open_experiment(directory);
  ProfileAnalysis analysis;
  analysis.name = experiment.name;
  analysis.directory = directory;
  if (experiment.record) {
    analysis.device = device_names(*experiment.record);
    analysis.sharing = to_string(experiment.record->settings.sharing);
  }
  std::vector<KernelRecords> records;
  std::vector<std::vector<TimeSpan>> busy;
  for (const LoadedTenant& tenant : experiment.tenants) {
    const auto path = directory / tenant.directory;
    ProfiledTenant& profiled = analysis.tenants.emplace_back();
    profiled.name = tenant.name;
    profiled.directory = tenant.directory;
    profiled.recorded = has_kernels(path);
    records.push_back(profiled.recorded ? read_kernels(path) : KernelRecords{});
    busy.push_back(merge_spans(kernel_spans(records.back())));
  }
  if (std::ranges::none_of(analysis.tenants, &ProfiledTenant::recorded))
    throw usage_error(directory.string(), "has no recorded kernels",
                      "Record them on a CUDA device: cotenant profile <configuration>.");
  analysis.window =
      experiment.window ? TimeSpan{experiment.window->start_s, experiment.window->end_s} : extent_of(busy);
  for (size_t i = 0; i < records.size(); ++i) {
    ProfiledTenant& tenant = analysis.tenants[i];
    busy[i] = clip(busy[i], analysis.window);
    tenant.busy_s = sum_s(busy[i]);
    tenant.kernels = summarize_kernels(records[i], analysis.window);
    tenant.missing = records[i].missing;
    tenant.problem = records[i].problem;
    if (!tenant.recorded)
      analysis.warnings.push_back(fmt::format("{}: no kernels were recorded", tenant.name));
    else if (tenant.kernels.empty())
      analysis.warnings.push_back(fmt::format("{}: nothing of it lies wholly inside the window", tenant.name));
    if (!tenant.problem.empty()) analysis.warnings.push_back(fmt::format("{}: {}", tenant.name, tenant.problem));
    if (records[i].torn_last_line)
      analysis.warnings.push_back(fmt::format("{}: the last line of kernels.csv is cut and was ignored", tenant.name));
  }
  const auto any = spans_with_at_least(busy, 1);
  analysis.busy_s = sum_s(any);
  analysis.several_s = sum_s(spans_with_at_least(busy, 2));
  analysis.gaps = idle_gaps(any, analysis.window);
  return analysis;
}

}  // namespace cotenant
