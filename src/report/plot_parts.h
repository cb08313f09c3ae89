#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "report/charts.h"
#include "report/gnuplot.h"

// Pieces that several pictures share.
namespace cotenant {

// One bar of a group; low and high of its whisker are NaN without one.
struct Bar {
  double value = 0, low = 0, high = 0;
};

// A group of bars at each position 0, 1, ..., one per series: `bars[series][group]`. NaN values are left out. Returns
// the parts of the plot command, and sets tics, ranges and the data.
std::vector<Script> grouped_bars(PictureWriter& picture, std::span<const std::string> groups,
                                 std::span<const std::string> series, const std::vector<std::vector<Bar>>& bars);

// Vertical whiskers; rows of x, low, high.
Script whiskers_part(PictureWriter& picture, const std::vector<std::vector<double>>& rows);

// Boxes, one above the other, the first at the top; names, cut at `most` code points, at the left.
std::vector<Script> horizontal_boxes(PictureWriter& picture, std::span<const Box> boxes,
                                     std::span<const std::string> names, size_t most = 24);

// "set xrange [..]", never empty, and, on a logarithmic axis, its tics. `axis`: "x" or "y".
void set_range(PictureWriter& picture, char axis, double low, double high, bool logarithmic);

// What throughputs are drawn in, by the greatest of them.
struct ThroughputUnit {
  const char* name;
  double tokens;  // per second, that make one of it
};
ThroughputUnit throughput_unit(double greatest_tokens_per_s);

std::vector<std::string> names_of(const ExperimentAnalysis& experiment);

// set title "synthetic: distribution of latency"
void set_title(PictureWriter& picture, const ExperimentAnalysis& experiment, const std::string& what);

// Sets the label of an axis, of a picture's metric for example.
void set_axis_label(PictureWriter& picture, char axis, const std::string& text);

}  // namespace cotenant
