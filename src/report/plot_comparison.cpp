#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/compare_chart.h"
#include "report/plot_parts.h"
#include "report/plots.h"

namespace cotenant {
namespace {

using Field = std::optional<double> ExperimentFigures::*;

// One panel of horizontal bars, one per experiment; nothing when no experiment has the figure.
void panel(PictureWriter& picture, std::span<const ExperimentFigures> figures, const std::string& title,
           const std::string& unit, Field field, double scale = 1) {
  double top = 0;
  for (const auto& each : figures) top = std::max(top, (each.*field).value_or(0) * scale);
  if (!(top > 0)) return;
  picture.add("set title {}", picture.text(title));
  set_axis_label(picture, 'x', unit);
  picture.add("set xrange [0:{}]\nset yrange [{}:0.6]\nset grid xtics noytics", script_number(top * 1.06),
              0.4 - static_cast<double>(figures.size()));
  std::vector<Script> parts, tics;
  for (size_t i = 0; i < figures.size(); ++i) {
    const double y = -static_cast<double>(i);
    tics.push_back(script("{} {}", picture.tic(figures[i].name, 26), y));
    const auto value = figures[i].*field;
    if (!value) continue;
    parts.push_back(script("{} using 1:2:(0):1:($2-0.36):($2+0.36) with boxxyerror linetype {} notitle",
                           picture.data({{*value * scale, y}}), i + 1));
  }
  picture.add("set ytics scale 0 ({})", list(tics));
  picture.plot(parts);
}

bool any(std::span<const ExperimentFigures> figures, Field field) {
  return std::any_of(figures.begin(), figures.end(), [&](const auto& each) { return (each.*field).value_or(0) > 0; });
}

Picture side_by_side(std::span<const ExperimentFigures> figures, Metric metric) {
  double most = 0;
  for (const auto& each : figures) most = std::max(most, each.tokens_per_s.value_or(0));
  const ThroughputUnit unit = throughput_unit(most);
  struct Panel {
    std::string title, unit;
    Field field;
    double scale;
  };
  std::vector<Panel> panels = {{"Device throughput", unit.name, &ExperimentFigures::tokens_per_s, 1 / unit.tokens},
                               {"Median " + std::string(title(metric)) + ", mean of the tenants", unit_title(metric),
                                &ExperimentFigures::median_ms, 1},
                               {"Work done (STP)", "devices' worth of work", &ExperimentFigures::stp, 1},
                               {"Worst slowdown", "latency shared / alone", &ExperimentFigures::worst_slowdown, 1},
                               {"Energy", "mJ/token", &ExperimentFigures::joules_per_token, 1e3},
                               {"Fairness", "Jain's index", &ExperimentFigures::jain, 1}};
  std::erase_if(panels, [&](const Panel& each) { return !any(figures, each.field); });
  const int rows = std::max(1, static_cast<int>(panels.size() + 1) / 2);
  PictureWriter picture("comparison", 2000, rows * (240 + 44 * static_cast<int>(figures.size())) + 60);
  picture.add("set multiplot layout {},{} title 'Experiments side by side' font 'DejaVu Sans,24'", rows,
              panels.size() > 1 ? 2 : 1);
  picture.add("unset key\nunset lmargin\nset border 1");
  for (const Panel& each : panels) panel(picture, figures, each.title, each.unit, each.field, each.scale);
  picture.add("unset multiplot");
  return picture.take();
}

std::optional<Picture> work_against_slowdown(std::span<const ExperimentFigures> figures) {
  PictureWriter picture("work_slowdown", 1400, 800);
  picture.add("set title 'Work done against the worst slowdown (better: up and left)'");
  picture.add("set xlabel 'worst slowdown, latency shared / alone'\nset ylabel 'STP (devices'' worth of work)'");
  picture.add("set offsets graph 0.08, graph 0.08, graph 0.08, graph 0.08");
  std::vector<Script> parts;
  for (size_t i = 0; i < figures.size(); ++i) {
    if (!figures[i].stp || !figures[i].worst_slowdown) continue;
    parts.push_back(script("{} with points linetype {} pointsize 2.4 title {}",
                           picture.data({{*figures[i].worst_slowdown, *figures[i].stp}}), i + 1,
                           picture.text(figures[i].name, 22)));
  }
  if (parts.empty()) return std::nullopt;
  picture.plot(parts);
  return picture.take();
}

std::optional<Picture> scaling(std::span<const ScalingLine> lines, Metric metric) {
  if (lines.empty()) return std::nullopt;
  PictureWriter picture("scaling", 1800, 1300);
  picture.add("set multiplot layout 2,1 title 'Against the number of tenants' font 'DejaVu Sans,24'");
  double most = 1;
  for (const ScalingLine& line : lines) most = std::max(most, line.tenants.back());
  picture.add("set xlabel 'tenants'\nset yrange [0:*]\nset key outside right top");
  picture.add("set xtics {}\nset xrange [0.5:{}]", most > 12 ? script("autofreq") : script("1"),
              script_number(most + 0.5));
  const auto draw_lines = [&](auto values, double scale) {
    std::vector<Script> parts;
    for (size_t i = 0; i < lines.size(); ++i) {
      Curve curve{lines[i].tenants, lines[i].*values};
      for (double& y : curve.y) y *= scale;
      parts.push_back(script("{} with linespoints linetype {} pointsize 1.6 title {}", picture.curve_data(curve), i + 1,
                             picture.text(lines[i].name, 30)));
    }
    picture.plot(parts);
  };
  double fastest = 0;
  for (const ScalingLine& line : lines) fastest = std::max(fastest, *std::ranges::max_element(line.tokens_per_s));
  const ThroughputUnit unit = throughput_unit(fastest);
  set_axis_label(picture, 'y', fmt::format("{}, all tenants", unit.name));
  draw_lines(&ScalingLine::tokens_per_s, 1 / unit.tokens);
  set_axis_label(picture, 'y', "median " + unit_title(metric));
  draw_lines(&ScalingLine::median_ms, 1);
  picture.add("unset multiplot");
  return picture.take();
}

std::optional<Picture> against_load(std::span<const LoadLine> lines) {
  if (lines.empty()) return std::nullopt;
  PictureWriter picture("load", 1800, 1300);
  picture.add("set multiplot layout 2,1 title 'Against the rate of requests' font 'DejaVu Sans,24'");
  picture.add("set xlabel 'requests/s that were due'\nset xrange [0:*]\nset key outside right top");
  const auto draw_lines = [&](auto values) {
    std::vector<Script> parts;
    for (size_t i = 0; i < lines.size(); ++i)
      parts.push_back(script("{} with linespoints linetype {} pointsize 1.6 title {}",
                             picture.curve_data({lines[i].offered_per_s, lines[i].*values}), i + 1,
                             picture.text(lines[i].name, 30)));
    picture.plot(parts);
  };
  picture.add("set logscale y");
  set_axis_label(picture, 'y', "latency, p99 (ms)");
  draw_lines(&LoadLine::p99_ms);
  picture.add("unset logscale y\nset yrange [0:*]");
  set_axis_label(picture, 'y', "goodput (requests/s)");
  draw_lines(&LoadLine::goodput_per_s);
  picture.add("unset multiplot");
  return picture.take();
}

}  // namespace

std::vector<Picture> comparison_pictures(std::span<const ExperimentAnalysis> experiments) {
  const auto figures = figures_of(experiments);
  const Metric metric = experiments.empty() ? Metric::latency : experiments.front().metric;
  std::vector<Picture> pictures = {side_by_side(figures, metric)};
  for (auto& picture : {work_against_slowdown(figures), scaling(scaling_lines(experiments), metric),
                        against_load(load_lines(experiments))}) {
    if (picture) pictures.push_back(*picture);
  }
  return pictures;
}

}  // namespace cotenant
