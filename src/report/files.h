#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace cotenant {

struct ReportFiles {
  std::vector<std::filesystem::path> pages;  // report.html of each experiment; with several, the comparison's last
  size_t plots = 0;                          // pictures as SVG and PNG; 0 without gnuplot
};

// Writes plots and report.html. One experiment: into `out`, by default plots/<experiment>. Several: each into its own
// folder of `out` (default: plots), and their comparison into `out`/comparison. Without `gnuplot` there are no plots.
// Throws usage_error when a place cannot be written or is full, and what check_report_places() does.
ReportFiles write_report_files(std::span<const ExperimentAnalysis> experiments,
                               const std::optional<std::filesystem::path>& out, const std::filesystem::path& gnuplot);

// Throws usage_error when one of these places lies among an experiment's results (own_directory.h).
void check_report_places(std::span<const ExperimentAnalysis> experiments,
                         const std::optional<std::filesystem::path>& out);

}  // namespace cotenant
