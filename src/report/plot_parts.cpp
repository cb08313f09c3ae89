#include "report/plot_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cotenant {
namespace {

constexpr double group_width = 0.82;

double greatest(const std::vector<std::vector<Bar>>& bars) {
  double top = 0;
  for (const auto& series : bars) {
    for (const Bar& bar : series) {
      for (const double value : {bar.value, bar.high})
        if (std::abs(value) <= most_drawn) top = std::max(top, value);
    }
  }
  return top > 0 ? top : 1;
}

Script name_of(char axis) {
  return axis == 'x' ? script("x") : script("y");
}

}  // namespace

std::vector<Script> grouped_bars(PictureWriter& picture, std::span<const std::string> groups,
                                 std::span<const std::string> series, const std::vector<std::vector<Bar>>& bars) {
  std::vector<Script> tics;
  for (size_t g = 0; g < groups.size(); ++g) tics.push_back(script("{} {}", picture.tic(groups[g]), g));
  picture.add("set xtics scale 0 ({})", list(tics));
  picture.add("set xrange [-0.55:{}]", static_cast<double>(groups.size()) - 0.45);
  picture.add("set yrange [0:{}]", script_number(greatest(bars) * 1.08));
  picture.add("set grid noxtics ytics");
  const double width = std::min(group_width / static_cast<double>(series.size()), 0.3);
  std::vector<Script> parts;
  std::vector<std::vector<double>> whiskers;
  for (size_t s = 0; s < series.size(); ++s) {
    const double offset = (static_cast<double>(s) - (static_cast<double>(series.size()) - 1) / 2) * width;
    std::vector<std::vector<double>> rows;
    for (size_t g = 0; g < groups.size(); ++g) {
      const Bar& bar = bars[s][g];
      if (!std::isfinite(bar.value)) continue;
      rows.push_back({static_cast<double>(g) + offset, bar.value, width * 0.9});
      if (std::isfinite(bar.low)) whiskers.push_back({static_cast<double>(g) + offset, bar.low, bar.high});
    }
    if (rows.empty()) continue;
    const Script block = picture.data(rows);
    parts.push_back(
        script("{} using 1:2:3 with boxes linetype {} title {}", block, s + 1, picture.text(series[s], 22)));
  }
  if (!whiskers.empty()) parts.push_back(whiskers_part(picture, whiskers));
  return parts;
}

Script whiskers_part(PictureWriter& picture, const std::vector<std::vector<double>>& rows) {
  return script(
      "{} using 1:2:(0):($3-$2) with vectors heads size screen 0.004,90 linecolor rgb '#16191d' dashtype 1 linewidth "
      "1.5 notitle",
      picture.data(rows));
}

std::vector<Script> horizontal_boxes(PictureWriter& picture, std::span<const Box> boxes,
                                     std::span<const std::string> names, size_t most) {
  std::vector<Script> tics, boxes_and_medians, under;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const double y = -static_cast<double>(i);
    tics.push_back(script("{} {}", picture.tic(names[i], most), y));
    const Box& box = boxes[i];
    if (box.count == 0) continue;
    const Script block = picture.data({{box.low, y, box.high, box.p25, box.p75, box.p50, box.mean}});
    under.push_back(
        script("{} using 1:2:($3-$1):(0) with vectors heads size screen 0.004,90 linecolor rgb '#3c434a' dashtype 1 "
               "linewidth 1.5 notitle",
               block));
    boxes_and_medians.push_back(
        script("{} using (($4+$5)/2):2:4:5:($2-0.3):($2+0.3) with boxxyerror linetype {} notitle", block, i + 1));
    boxes_and_medians.push_back(
        script("{} using 6:($2-0.3):(0):(0.6) with vectors nohead linecolor rgb 'white' dashtype 1 linewidth 3 notitle",
               block));
    boxes_and_medians.push_back(
        script("{} using 7:2 with points pointtype 13 pointsize 1.3 linecolor rgb '#16191d' notitle", block));
    if (box.outliers.empty()) continue;
    std::vector<std::vector<double>> rows;
    for (double value : box.outliers) rows.push_back({value, y});
    under.push_back(script("{} using 1:2 with points linetype {} pointsize 0.5 notitle", picture.data(rows), i + 1));
  }
  picture.add("set ytics scale 0 ({})", list(tics));
  picture.add("set yrange [{}:0.6]", -static_cast<double>(boxes.size()) + 0.4);
  under.insert(under.end(), boxes_and_medians.begin(), boxes_and_medians.end());
  return under;
}

void set_range(PictureWriter& picture, char axis, double low, double high, bool logarithmic) {
  const Script name = name_of(axis);
  // gnuplot refuses a range that is empty in the digits that it is told.
  const double narrowest = std::max(std::abs(low) * 1e-4, 1e-9);
  if (!(high - low >= narrowest)) high = low + narrowest;
  if (logarithmic) low = std::max(low, high * least_drawn_share);
  picture.add("set {}range [{}:{}]", name, script_number(low), script_number(high));
  if (!logarithmic) return;
  picture.add("set logscale {}", name);
  std::vector<Script> tics;
  constexpr double few_decades = 1e4;
  const int last = static_cast<int>(std::floor(std::log10(high)));
  for (int decade = static_cast<int>(std::floor(std::log10(low))); decade <= last; ++decade) {
    for (double multiple : high / low > few_decades ? std::vector<double>{1} : std::vector<double>{1, 2, 5}) {
      const double at = std::pow(10, decade) * multiple;
      if (at < low || at > high) continue;
      tics.push_back(script("'{:.4g}' {}", at, script_number(at)));
    }
  }
  if (!tics.empty()) picture.add("set {}tics ({})", name, list(tics));
}

ThroughputUnit throughput_unit(double greatest_tokens_per_s) {
  return greatest_tokens_per_s < 5000 ? ThroughputUnit{"tokens/s", 1} : ThroughputUnit{"thousand tokens/s", 1000};
}

std::vector<std::string> names_of(const ExperimentAnalysis& experiment) {
  std::vector<std::string> names;
  for (const TenantAnalysis& tenant : experiment.tenants) names.push_back(tenant.name);
  return names;
}

void set_title(PictureWriter& picture, const ExperimentAnalysis& experiment, const std::string& what) {
  picture.add("set title {}", picture.text(experiment.name + ": " + what, 90));
}

void set_axis_label(PictureWriter& picture, char axis, const std::string& text) {
  picture.add("set {}label {}", name_of(axis), picture.text(text));
}

}  // namespace cotenant
