#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "report/plot_parts.h"
#include "report/plots.h"

namespace cotenant {
namespace {

// Names under an axis: slanted, upright where they stand too close for that.
Script rotation(size_t tenants) {
  return tenants > 5 ? script("rotate by 90 right") : script("rotate by -25");
}

// A panel with one bar per tenant, in the tenant's colour.
void tenant_bars(PictureWriter& picture, const ExperimentAnalysis& experiment, const std::string& title,
                 const std::string& unit, const std::vector<Bar>& bars) {
  picture.add("set title {}", picture.text(title));
  set_axis_label(picture, 'y', unit);
  std::vector<Script> parts, tics;
  std::vector<std::vector<double>> whiskers;
  double top = 0;
  for (size_t i = 0; i < bars.size(); ++i) {
    const double x = static_cast<double>(i);
    tics.push_back(script("{} {}", picture.tic(experiment.tenants[i].name, 16), i));
    if (!std::isfinite(bars[i].value)) continue;
    top = std::max({top, bars[i].value, std::isfinite(bars[i].high) ? bars[i].high : 0});
    parts.push_back(
        script("{} using 1:2:(0.75) with boxes linetype {} notitle", picture.data({{x, bars[i].value}}), i + 1));
    if (std::isfinite(bars[i].low)) whiskers.push_back({x, bars[i].low, bars[i].high});
  }
  if (!whiskers.empty()) {
    parts.push_back(whiskers_part(picture, whiskers));
  }
  picture.add("set xtics {} scale 0 ({})", rotation(bars.size()), list(tics));
  picture.add("set xrange [-0.7:{}]\nset yrange [0:{}]\nset grid noxtics ytics", static_cast<double>(bars.size()) - 0.3,
              script_number(top > 0 ? top * 1.1 : 1));
  picture.plot(parts);
}

// A panel of lines of text: two columns.
void text_panel(PictureWriter& picture, const std::string& title,
                const std::vector<std::pair<std::string, std::string>>& lines) {
  picture.add("set title {}", picture.text(title));
  picture.add(
      "unset border\nunset xtics\nunset ytics\nunset grid\nunset xlabel\nunset ylabel\nset xrange [0:1]\nset yrange "
      "[0:1]");
  int label = 0;
  for (const auto& [name, value] : lines) {
    const double y = 0.94 - 0.105 * (label / 2);
    picture.add("set label {} {} at graph 0,{} left", ++label, picture.text(name, 40), y);
    picture.add("set label {} {} at graph 1,{} right", ++label, picture.text(value, 30), y);
  }
  picture.plot({});
  picture.add("unset label\nset border 3\nset tics nomirror out textcolor rgb '#3c434a'\nset grid");
}

void boxes_panel(PictureWriter& picture, const ExperimentAnalysis& experiment) {
  picture.add("set title 'Boxes'\nunset ylabel");
  set_axis_label(picture, 'x', unit_title(experiment.metric));
  picture.add("set xtics norotate autofreq scale 0.6\nset grid xtics noytics");
  const auto boxes = box_chart(experiment);
  double low = INFINITY, high = 0;
  for (const Box& box : boxes) {
    if (box.count == 0) continue;
    low = std::min({low, box.low, box.outliers.empty() ? box.low : box.outliers.front()});
    high = std::max({high, box.high, box.outliers.empty() ? box.high : box.outliers.back()});
  }
  const bool logarithmic = wants_log_axis(experiment);
  if (low < high) set_range(picture, 'x', low * 0.97, high * 1.03, logarithmic);
  picture.plot(horizontal_boxes(picture, boxes, names_of(experiment), 16));
  picture.add("unset logscale\nset xtics autofreq\nset ytics autofreq scale 0.6\nunset xlabel");
}

// White for 1, dark blue for 1e-6 and less.
uint32_t shade_of(double p) {
  const double strength = std::clamp(-std::log10(std::max(p, 1e-12)) / 6, 0.0, 1.0);
  const auto mix = [&](int white, int blue) {
    return static_cast<uint32_t>(white + (blue - white) * (0.06 + 0.94 * strength));
  };
  return mix(0xff, 0x00) << 16 | mix(0xff, 0x72) << 8 | mix(0xff, 0xb2);
}

void heat_panel(PictureWriter& picture, const ExperimentAnalysis& experiment) {
  picture.add("set title 'p of pairs (Mann-Whitney, Holm)'\nunset ylabel\nset grid noxtics noytics");
  const size_t n = experiment.tenants.size();
  Script cells = script("$cells << EOD\n"), labels = script("$labels << EOD\n");
  for (const PairTest& pair : experiment.significance->pairs) {
    if (!std::isfinite(pair.p_holm)) continue;
    for (const auto& [row, column] : {std::pair{pair.a, pair.b}, std::pair{pair.b, pair.a}}) {
      const double x = static_cast<double>(column), y = -static_cast<double>(row);
      cells += script("{} {} {}\n", x, y, shade_of(pair.p_holm));
      const Script text = pair.p_holm < 0.001 ? script("<.001") : script("{:.3f}", pair.p_holm);
      labels += script("{} {} {} {}\n", x, y, text, pair.p_holm < 1e-3 ? 0xffffff : 0x16191d);
    }
  }
  picture.add("{}EOD\n{}EOD", cells, labels);
  std::vector<Script> columns, rows;
  for (size_t i = 0; i < n; ++i) {
    const Script name = picture.tic(experiment.tenants[i].name, 16);
    columns.push_back(script("{} {}", name, i));
    rows.push_back(script("{} {}", name, -static_cast<double>(i)));
  }
  picture.add("set xtics {} scale 0 ({})\nset ytics scale 0 ({})", rotation(n), list(columns), list(rows));
  picture.add("set xrange [-0.5:{0}]\nset yrange [-{0}:0.5]", static_cast<double>(n) - 0.5);
  std::vector<Script> parts = {
      script("$cells using 1:2:($1-0.48):($1+0.48):($2-0.48):($2+0.48):3 with boxxyerror "
             "linecolor rgb variable notitle")};
  if (n <= 6)
    parts.push_back(script("$labels using 1:2:3:4 with labels font 'DejaVu Sans,16' textcolor rgb variable notitle"));
  picture.plot(parts);
}

std::vector<std::pair<std::string, std::string>> fairness_lines(const Fairness& fairness) {
  const Spread& s = fairness.spread;
  std::vector<std::pair<std::string, std::string>> lines = {
      {"Jain's index (1: all equal)", format_fixed(s.jain, 4)},
      {"coefficient of variation", format_fixed(s.cv, 4)},
      {"Gini", format_fixed(s.gini, 4)},
      {"max / min", format_fixed(s.max_min_ratio, 3)},
      {"range", fmt::format("{:.4g}", s.range)},
      {"largest deviation", fmt::format("{}%", format_fixed(s.max_deviation_percent, 2))}};
  for (const auto& q : fairness.by_quantile) {
    if (lines.size() < 9) lines.emplace_back("variation at " + q.name, format_fixed(q.cv, 4));
  }
  return lines;
}

std::string p_label(double p) {
  if (!std::isfinite(p)) return "not defined";
  return p < 1e-4 ? "p < 0.0001" : fmt::format("p = {}", format_fixed(p, 4));
}

void test_panel(PictureWriter& picture, const ExperimentAnalysis& experiment) {
  const Significance& tests = *experiment.significance;
  size_t different = 0, large = 0;
  for (const PairTest& pair : tests.pairs) {
    different += pair.p_holm < 0.05;
    large += std::abs(pair.rank_biserial) >= 0.5;
  }
  std::vector<std::pair<std::string, std::string>> lines{
      {"Levene: equal variances?", p_label(tests.levene.p)},
      {tests.equal_variances ? "ANOVA: equal means?" : "Kruskal-Wallis: alike?", p_label(tests.omnibus.p)}};
  if (!tests.pairs.empty()) {
    lines.emplace_back("pairs with p < 0.05", fmt::format("{} of {}", different, tests.pairs.size()));
    lines.emplace_back("pairs with |rank-biserial| >= 0.5", fmt::format("{} of {}", large, tests.pairs.size()));
  }
  text_panel(picture, "Tests (assume independent samples)", lines);
}

}  // namespace

std::optional<Picture> fairness_picture(const ExperimentAnalysis& experiment) {
  if (experiment.tenants.size() < 2) return std::nullopt;
  PictureWriter picture("fairness", 2000, 1240);
  picture.add("set multiplot layout 2,3 title {} font 'DejaVu Sans,24'",
              picture.text(experiment.name + ": fairness among tenants", 90));
  picture.add("unset key\nunset lmargin");
  std::vector<Bar> means, variability;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    const Summary* s = summary_of(tenant, experiment.metric);
    const bool known = s && s->count > 0 && s->mean > 0;
    means.push_back(known ? Bar{s->mean, std::max(s->mean - s->std, 0.0), s->mean + s->std} : Bar{NAN, NAN, NAN});
    variability.push_back(Bar{known ? s->std / s->mean : NAN, NAN, NAN});
  }
  tenant_bars(picture, experiment, "Mean and standard deviation", unit_title(experiment.metric), means);
  boxes_panel(picture, experiment);
  tenant_bars(picture, experiment, "Variability", "deviation / mean", variability);
  if (experiment.fairness) {
    const bool progress = experiment.fairness->basis == "progress";
    text_panel(picture, progress ? "Fairness of progress" : "Fairness of mean latency",
               fairness_lines(*experiment.fairness));
  } else {
    text_panel(picture, "Fairness", {{"different work and no baseline:", ""}, {"measure with --baselines", ""}});
  }
  if (experiment.significance) {
    if (experiment.significance->pairs.empty())
      text_panel(picture, "Pairs", {{"not tested: too many tenants", ""}});
    else
      heat_panel(picture, experiment);
    picture.add("set xtics norotate autofreq\nset ytics autofreq");
    test_panel(picture, experiment);
  } else {
    text_panel(picture, "Tests", {{"only for tenants of the same work", ""}});
  }
  picture.add("unset multiplot");
  return picture.take();
}

}  // namespace cotenant
