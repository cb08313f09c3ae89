#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "results/kernels.h"

// What the kernels of a profiled run did: which take a tenant's time, how much of the time the device is busy, and how
// much of it with kernels of several tenants at once.
namespace cotenant {

struct TimeSpan {
  double start_s = 0, end_s = 0;
  double length_s() const { return end_s - start_s; }
  bool operator==(const TimeSpan&) const = default;
};

// The union: disjoint, ascending; spans that touch are one. Empty ones vanish.
std::vector<TimeSpan> merge_spans(std::vector<TimeSpan> spans);

// When at least `least` (1 or more) of the sets are active at once. Each set is as merge_spans returns it, and so is
// the result.
std::vector<TimeSpan> spans_with_at_least(std::span<const std::vector<TimeSpan>> sets, size_t least);

// The parts inside the window.
std::vector<TimeSpan> clip(std::span<const TimeSpan> spans, const TimeSpan& window);

double sum_s(std::span<const TimeSpan> spans);

// Of kernels alone: copies need no multiprocessor.
std::vector<TimeSpan> kernel_spans(const KernelRecords& records);

struct GapBin {
  double from_s = 0, below_s = std::numeric_limits<double>::infinity();
  size_t count = 0;
  double total_s = 0;
};

// When nothing ran, inside the window, its edges included.
struct IdleGaps {
  size_t count = 0;
  double total_s = 0, longest_s = 0;
  std::vector<GapBin> histogram;  // below 1 us, 10 us, 100 us, 1 ms, 10 ms, and the rest
};
IdleGaps idle_gaps(std::span<const TimeSpan> merged, const TimeSpan& window);

// All instances of one name.
struct KernelSummary {
  std::string name;
  KernelActivity::Kind kind = KernelActivity::Kind::kernel;
  size_t instances = 0;
  double share_percent = 0;  // of the sum over the tenant's kernels, copies and fills
  double total_ms = 0;
  double mean_us = 0, median_us = 0, min_us = 0, max_us = 0, std_us = 0;  // std over n - 1
};

// Of what lies wholly inside the window, greatest total first. Ranges are left out.
std::vector<KernelSummary> summarize_kernels(const KernelRecords& records, const TimeSpan& window);

struct ProfiledTenant {
  std::string name, directory;
  bool recorded = false;  // it has the files
  std::vector<KernelSummary> kernels;
  double busy_s = 0;  // with a kernel of this tenant on the device, inside the window
  uint64_t missing = 0;
  std::string problem;
};

struct ProfileAnalysis {
  std::string name;
  std::filesystem::path directory;
  std::string device, sharing;
  TimeSpan window;
  std::vector<ProfiledTenant> tenants;
  double busy_s = 0;     // with any kernel
  double several_s = 0;  // with kernels of two or more tenants
  IdleGaps gaps;
  std::vector<std::string> warnings;

  double percent(double s) const { return window.length_s() > 0 ? 100 * s / window.length_s() : 0; }
};

// Reads a directory that `cotenant profile` wrote. Throws usage_error for one without kernels, and as read_kernels
// does.
ProfileAnalysis analyze_profile(const std::filesystem::path& directory);

}  // namespace cotenant
