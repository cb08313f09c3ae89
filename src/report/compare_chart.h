#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

// Several experiments side by side: modes of sharing one mix, or growing numbers of tenants.
namespace cotenant {

struct ExperimentFigures {
  std::string name, sharing;
  size_t tenants = 0;
  std::optional<bool> valid;
  std::optional<double> stp, worst_slowdown;  // slowdown of the median
  std::optional<double> tokens_per_s, tokens_per_s_in_turn;
  std::optional<double> worst_clock_ratio;  // of that tenant: mean SM clock shared / alone
  std::optional<double> joules_per_token, memory_gib, sm_clock_mhz;
  std::string bound;                // of the device; empty if unknown
  std::optional<double> jain;       // of progress, else of what `fairness` is about
  std::optional<double> median_ms;  // mean of the tenants' medians of the chosen metric
};
std::vector<ExperimentFigures> figures_of(std::span<const ExperimentAnalysis> experiments);

// Jain's index of progress, else of what `fairness` is about.
std::optional<double> jain_of(const ExperimentAnalysis& experiment);

// Experiments of one model whose number of tenants grows, one line per kind of sharing.
struct ScalingLine {
  std::string name;                             // "distilgpt2 · 8 × 128, mps"
  std::vector<double> tenants;                  // ascending, at least two
  std::vector<double> tokens_per_s, median_ms;  // NaN where unknown
};
std::vector<ScalingLine> scaling_lines(std::span<const ExperimentAnalysis> experiments);

// A tenant whose requests come by themselves, over experiments that differ in how many come.
struct LoadLine {
  std::string name;                           // the tenant's
  std::vector<double> offered_per_s;          // ascending, at least two
  std::vector<double> p99_ms, goodput_per_s;  // NaN where unknown; of a tenant without objectives what it served
};
std::vector<LoadLine> load_lines(std::span<const ExperimentAnalysis> experiments);

}  // namespace cotenant
