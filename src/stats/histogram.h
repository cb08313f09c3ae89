#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace cotenant {

// Edges that several samples share, so that their histograms can be laid over each other: equal widths over the range
// of all values together. The width is the smaller of Sturges' and Freedman and Diaconis' (numpy's "auto"), at most
// `most_bins` bins; one bin of width 1 around a single value. At least one value in all.
std::vector<double> common_edges(std::span<const std::span<const double>> samples, size_t most_bins = 200);

// How many values lie in [edge i, edge i+1), the last bin closed; values outside are not counted. At least two edges.
std::vector<size_t> histogram(std::span<const double> values, std::span<const double> edges);

}  // namespace cotenant
