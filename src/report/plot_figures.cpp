#include <algorithm>
#include <cmath>

#include "report/plot_parts.h"
#include "report/plots.h"
#include "report/telemetry_chart.h"

namespace cotenant {
namespace {

Bar bar_of(double value, const std::optional<Interval>& interval = std::nullopt) {
  return {value, interval ? interval->low : NAN, interval ? interval->high : NAN};
}

// The statistics of the chosen metric; all NaN for a tenant that lacks it.
std::vector<Bar> metric_bars(const TenantAnalysis& tenant, Metric metric) {
  const Summary* found = summary_of(tenant, metric);
  if (!found || found->count == 0) return std::vector<Bar>(4, bar_of(NAN));
  return {bar_of(found->mean), bar_of(found->p50, found->ci95_p50), bar_of(found->p95, found->ci95_p95),
          bar_of(found->p99, found->ci95_p99)};
}

const std::vector<std::string> measures = {"mean", "median", "p95", "p99"};

// gnuplot refuses a curve of which it can draw nothing.
bool has_drawn_point(const Curve& curve) {
  const auto is_drawn = [](double value) { return std::abs(value) <= most_drawn; };
  for (size_t i = 0; i < curve.x.size(); ++i)
    if (is_drawn(curve.x[i]) && is_drawn(curve.y[i])) return true;
  return false;
}

}  // namespace

Picture latency_picture(const ExperimentAnalysis& experiment) {
  PictureWriter picture("latency", 1400, 800);
  set_title(picture, experiment, std::string(title(experiment.metric)) + " (whiskers: 95% interval)");
  set_axis_label(picture, 'y', unit_title(experiment.metric));
  std::vector<std::vector<Bar>> bars;
  for (const TenantAnalysis& tenant : experiment.tenants) bars.push_back(metric_bars(tenant, experiment.metric));
  picture.plot(grouped_bars(picture, measures, names_of(experiment), bars));
  return picture.take();
}

std::optional<Picture> slowdown_picture(const ExperimentAnalysis& experiment) {
  std::vector<std::vector<Bar>> bars;
  bool any = false;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    any = any || tenant.slowdown_p50;
    bars.push_back({bar_of(tenant.slowdown_mean.value_or(NAN)),
                    bar_of(tenant.slowdown_p50.value_or(NAN), tenant.slowdown_p50_interval),
                    bar_of(tenant.slowdown_p95.value_or(NAN)), bar_of(tenant.slowdown_p99.value_or(NAN))});
  }
  if (!any) return std::nullopt;
  PictureWriter picture("slowdown", 1400, 800);
  set_title(picture, experiment, "slowdown, latency shared / alone");
  picture.add("set ylabel 'slowdown (1: as fast as alone)'");
  auto parts = grouped_bars(picture, measures, names_of(experiment), bars);
  parts.push_back(script("1 with lines linecolor rgb '#16191d' dashtype 2 linewidth 1.5 notitle"));
  picture.plot(parts);
  return picture.take();
}

std::optional<Picture> throughput_picture(const ExperimentAnalysis& experiment) {
  double most = 0;
  for (const TenantAnalysis& tenant : experiment.tenants) most = std::max(most, tenant.tokens_per_s.value_or(0));
  const ThroughputUnit unit = throughput_unit(most);
  std::vector<std::vector<Bar>> bars;
  bool any = false;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    any = any || tenant.tokens_per_s;
    bars.push_back({bar_of(tenant.tokens_per_s.value_or(NAN) / unit.tokens)});
  }
  if (!any) return std::nullopt;
  PictureWriter picture("throughput", 1400, 800);
  set_title(picture, experiment, "throughput");
  set_axis_label(picture, 'y', unit.name);
  picture.plot(grouped_bars(picture, std::vector<std::string>{"in the window"}, names_of(experiment), bars));
  return picture.take();
}

std::optional<Picture> telemetry_picture(const ExperimentAnalysis& experiment) {
  auto panels = telemetry_panels(experiment);
  std::erase_if(panels,
                [](const TelemetryPanel& panel) { return std::ranges::none_of(panel.curves, has_drawn_point); });
  if (panels.empty()) return std::nullopt;
  const int rows = static_cast<int>(panels.size() + 1) / 2;
  PictureWriter picture("telemetry", 2000, 420 * rows + 80);
  picture.add("set multiplot layout {},{} title {} font 'DejaVu Sans,24'", rows, panels.size() > 1 ? 2 : 1,
              picture.text(experiment.name + ": device over time", 90));
  picture.add("set xlabel 'time since the start (s)'\nset key outside right top samplen 1.2\nset yrange [0:*]");
  for (const TelemetryPanel& panel : panels) {
    picture.add("set title {}", picture.text(panel.title));
    set_axis_label(picture, 'y', panel.unit);
    std::vector<Script> parts;
    for (size_t i = 0; i < panel.curves.size(); ++i) {
      if (!has_drawn_point(panel.curves[i])) continue;
      parts.push_back(script("{} with lines linetype {} title {}", picture.curve_data(panel.curves[i]),
                             panel.colours[i] + 1, picture.text(panel.names[i], 18)));
    }
    picture.plot(parts);
  }
  picture.add("unset multiplot");
  return picture.take();
}

std::vector<Picture> experiment_pictures(const ExperimentAnalysis& experiment) {
  std::vector<Picture> pictures = {distribution_picture(experiment), ecdf_picture(experiment),
                                   boxes_picture(experiment), latency_picture(experiment)};
  for (auto& picture : {timeline_picture(experiment), slowdown_picture(experiment), throughput_picture(experiment),
                        telemetry_picture(experiment), fairness_picture(experiment)}) {
    if (picture) pictures.push_back(*picture);
  }
  return pictures;
}

}  // namespace cotenant
