#include <algorithm>
#include <cmath>

#include "report/plot_parts.h"
#include "report/plots.h"

namespace cotenant {
namespace {

// The outline of a histogram, closed at its foot: for filledcurves.
Curve outline(std::span<const double> edges, std::span<const double> values) {
  Curve curve;
  for (size_t i = 0; i < values.size(); ++i) {
    curve.x.insert(curve.x.end(), {edges[i], edges[i + 1]});
    curve.y.insert(curve.y.end(), {values[i], values[i]});
  }
  return curve;
}

void shade_window(PictureWriter& picture, const ExperimentAnalysis& experiment) {
  if (!experiment.window_s) return;
  picture.add(
      "set object 1 rectangle from {},graph 0 to {},graph 1 behind fillcolor rgb '#e8f0f7' fillstyle solid noborder",
      script_number(experiment.window_s->low), script_number(experiment.window_s->high));
}

struct Extent {
  double low = INFINITY, high = -INFINITY;
  void include(std::span<const double> values) {
    for (double value : values) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
};

}  // namespace

Picture distribution_picture(const ExperimentAnalysis& experiment) {
  const DistributionChart chart = distribution_chart(experiment);
  PictureWriter picture("distribution", 1400, 800);
  set_title(picture, experiment, "distribution of " + std::string(title(experiment.metric)));
  set_axis_label(picture, 'x', unit_title(experiment.metric));
  set_axis_label(picture, 'y', chart.logarithmic ? "density (per decade)" : "density (per ms)");
  set_range(picture, 'x', chart.edges.front(), chart.edges.back(), chart.logarithmic);
  picture.add("set yrange [0:*]");
  std::vector<Script> histograms, densities;
  for (size_t i = 0; i < experiment.tenants.size(); ++i) {
    if (chart.histogram[i].empty()) continue;
    const Script bars = picture.curve_data(outline(chart.edges, chart.histogram[i]));
    histograms.push_back(
        script("{} with filledcurves y=0 linetype {} fillstyle transparent solid 0.16 noborder notitle", bars, i + 1));
    const Script density = picture.curve_data(Curve{chart.grid, chart.density[i]});
    densities.push_back(
        script("{} with lines linetype {} title {}", density, i + 1, picture.text(experiment.tenants[i].name, 22)));
  }
  histograms.insert(histograms.end(), densities.begin(), densities.end());
  picture.plot(histograms);
  return picture.take();
}

Picture ecdf_picture(const ExperimentAnalysis& experiment) {
  const auto curves = ecdf_chart(experiment);
  const DistributionChart bounds = distribution_chart(experiment);
  PictureWriter picture("ecdf", 1400, 800);
  set_title(picture, experiment, "share of samples below a " + std::string(title(experiment.metric)));
  set_axis_label(picture, 'x', unit_title(experiment.metric));
  picture.add("set ylabel 'share of samples'\nset yrange [0:1.005]");
  set_range(picture, 'x', bounds.edges.front(), bounds.edges.back(), bounds.logarithmic);
  std::vector<Script> parts;
  for (size_t i = 0; i < curves.size(); ++i) {
    if (curves[i].x.empty()) continue;
    parts.push_back(script("{} with steps linetype {} title {}", picture.curve_data(curves[i]), i + 1,
                           picture.text(experiment.tenants[i].name, 22)));
  }
  picture.plot(parts);
  return picture.take();
}

Picture boxes_picture(const ExperimentAnalysis& experiment) {
  const auto boxes = box_chart(experiment);
  Extent extent;
  for (size_t i = 0; i < boxes.size(); ++i) {
    if (experiment.tenants[i].metric_ms.empty()) continue;
    extent.include(std::vector<double>{boxes[i].low, boxes[i].high});
    extent.include(boxes[i].outliers);
  }
  const bool logarithmic = wants_log_axis(experiment);
  const double margin = logarithmic ? 0 : std::max((extent.high - extent.low) * 0.03, extent.high * 1e-3);
  const int height = std::max(420, 220 + 70 * static_cast<int>(boxes.size()));
  PictureWriter picture("boxes", 1400, height);
  set_title(picture, experiment, std::string(title(experiment.metric)) + ", quartiles and whiskers");
  picture.add("unset lmargin\nset border 1\nset grid xtics noytics");
  set_axis_label(picture, 'x', unit_title(experiment.metric));
  if (extent.low <= extent.high) {
    set_range(picture, 'x', logarithmic ? extent.low / 1.05 : extent.low - margin,
              logarithmic ? extent.high * 1.05 : extent.high + margin, logarithmic);
  }
  picture.plot(horizontal_boxes(picture, boxes, names_of(experiment)));
  return picture.take();
}

std::optional<Picture> timeline_picture(const ExperimentAnalysis& experiment) {
  const TimelineChart chart = timeline_chart(experiment);
  Extent times, values;
  for (const Curve& curve : chart.curves) {
    times.include(curve.x);
    values.include(curve.y);
  }
  if (!(times.low <= times.high)) return std::nullopt;
  PictureWriter picture("timeline", 1400, 800);
  set_title(picture, experiment, std::string(title(experiment.metric)) + " over time");
  set_axis_label(picture, 'x', chart.has_times ? "time since the start (s); shaded: all tenants active" : "iteration");
  set_axis_label(picture, 'y', unit_title(experiment.metric));
  set_range(picture, 'x', times.low, std::max(times.high, times.low + 1e-3), false);
  if (wants_log_axis(experiment)) {
    set_range(picture, 'y', values.low / 1.1, values.high * 1.1, true);
  } else {
    set_range(picture, 'y', 0, values.high * 1.05, false);
  }
  shade_window(picture, experiment);
  size_t points = 0;
  for (const Curve& curve : chart.curves) points += curve.x.size();
  const double size = points < 600 ? 0.9 : 0.35;
  std::vector<Script> parts, keys;
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    if (chart.curves[i].x.empty()) continue;
    const Script block = picture.curve_data(chart.curves[i]);
    parts.push_back(script("{} with points linetype {} pointsize {} notitle", block, i + 1, size));
    keys.push_back(script("NaN with points linetype {} pointsize 1.4 title {}", i + 1,
                          picture.text(experiment.tenants[i].name, 22)));
  }
  parts.insert(parts.end(), keys.begin(), keys.end());
  picture.plot(parts);
  return picture.take();
}

}  // namespace cotenant
