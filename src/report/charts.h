#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

// What plots and report.html draw, computed once for both and small whatever the experiment's size. Every chart has one
// entry per tenant, in the experiment's order, empty for a tenant without samples; values are of the chosen metric.
namespace cotenant {

// Tenants whose medians differ by more than this factor are drawn on a logarithmic axis.
constexpr double log_axis_ratio = 5;

// A logarithmic axis begins at this share of its end at the least: below it lie slips of a clock.
constexpr double least_drawn_share = 1e-9;

struct Curve {
  std::vector<double> x, y;
};

// Histogram with common edges and a gaussian density over it. On a logarithmic axis edges are even in log10(ms), and
// shares and densities are per decade; otherwise per ms. Each integrates to 1 over all samples.
struct DistributionChart {
  bool logarithmic = false;
  std::vector<double> edges;                   // (bins + 1), ms
  std::vector<double> grid;                    // ms
  std::vector<std::vector<double>> histogram;  // (tenants, bins)
  std::vector<std::vector<double>> density;    // (tenants, grid)
  size_t beyond = 0;                           // samples right of the last edge, of all tenants: not drawn
};
DistributionChart distribution_chart(const ExperimentAnalysis& experiment);

// Empirical distribution functions: x in ms, y in 0..1; at most `most_points` steps each.
std::vector<Curve> ecdf_chart(const ExperimentAnalysis& experiment, size_t most_points = 240);

// Tukey's boxes: whiskers at the last sample within 1.5 interquartile ranges.
struct Box {
  size_t count = 0;  // samples; without any the rest means nothing
  double low = 0, p25 = 0, p50 = 0, p75 = 0, high = 0, mean = 0;
  std::vector<double> outliers;  // the greatest and least and some between, at most 40
  size_t outlier_count = 0;      // of all
};
std::vector<Box> box_chart(const ExperimentAnalysis& experiment);

// The metric over time: x is seconds since T0, or the iteration where the files have no times (`has_times`).
struct TimelineChart {
  bool has_times = false;
  std::vector<Curve> curves;
  bool thinned = false;  // drawn are the extremes of equal stretches of samples
};
TimelineChart timeline_chart(const ExperimentAnalysis& experiment, size_t most_points_in_all = 16000);

// Whether the tenants' values are so far apart that a common linear axis would hide some of them.
bool wants_log_axis(const ExperimentAnalysis& experiment);

// Indices, ascending, that keep a series' look: of each of most / 2 stretches the least and the greatest value. All
// indices when there are no more than `most`.
std::vector<size_t> thin(std::span<const double> values, size_t most);

// What kinds of work there are: "distilgpt2 · 8 × 128".
std::string work_of(const TenantAnalysis& tenant);

}  // namespace cotenant
