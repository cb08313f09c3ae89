#include "report/page_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/figures.h"
#include "base/input_file.h"
#include "base/text.h"
#include "base/version.h"
#include "report/answer.h"
#include "report/charts.h"
#include "report/colours.h"
#include "report/compare_chart.h"
#include "report/page_json.h"
#include "report/telemetry_chart.h"

namespace cotenant {
namespace {

constexpr size_t largest_config_bytes = size_t{1} << 20;  // no configuration is larger

Json fact(const std::string& label, const std::string& value, const std::string& note = "") {
  return {{"label", label}, {"value", value}, {"note", note}};
}

// "902,464"; from ten million on "12.3M".
std::string grouped(double count) {
  if (count >= 1e7) return format_count(count);
  std::string digits = format_fixed(count, 0);
  for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string with_interval(const std::string& note, const std::optional<Interval>& interval) {
  return interval
             ? fmt::format("{} (95%: {} – {})", note, format_fixed(interval->low, 2), format_fixed(interval->high, 2))
             : note;
}

void add_utilisation_facts(Json& facts, const DeviceAnalysis& device) {
  if (!device.bound.empty()) facts.push_back(fact("Device", device.bound + "-bound", device.bound_reason));
  if (device.joules_per_token) {
    facts.push_back(
        fact("Energy", fmt::format("{:.3g} mJ", *device.joules_per_token * 1e3), "per token, whole device"));
  }
}

Json facts_of(const ExperimentAnalysis& experiment) {
  Json facts = Json::array();
  if (experiment.stp) {
    const std::string note = fmt::format("{}s’ worth of work", device_noun(experiment));
    facts.push_back(
        fact("Work done (STP)", format_fixed(*experiment.stp, 2), with_interval(note, experiment.stp_interval)));
  }
  if (const auto worst = worst_slowdown(experiment)) {
    const TenantAnalysis& tenant = experiment.tenants[worst->tenant];
    const std::string clock =
        tenant.clock_ratio ? fmt::format("; clock {}×", format_fixed(*tenant.clock_ratio, 2)) : "";
    facts.push_back(fact("Worst slowdown", fmt::format("{}×", format_fixed(worst->slowdown, 2)),
                         fmt::format("{}, median{}", tenant.name, clock)));
  }
  if (experiment.device.tokens_per_s) {
    const auto in_turn = experiment.device.tokens_per_s_alone_in_turn;
    facts.push_back(fact(experiment.tenants.size() > 1 ? "Throughput, all tenants" : "Throughput",
                         grouped(*experiment.device.tokens_per_s),
                         in_turn ? fmt::format("tokens/s; one after another {}", grouped(*in_turn)) : "tokens/s"));
  }
  if (experiment.tenants.size() == 1) {
    const Summary& latency = experiment.tenants[0].latency_ms;
    facts.push_back(
        fact("Median latency", fmt::format("{:.4g} ms", latency.p50), fmt::format("p99 {:.4g} ms", latency.p99)));
  }
  if (experiment.fairness) {
    const bool by_progress = experiment.fairness->basis == "progress";
    facts.push_back(fact("Fairness (Jain)", format_fixed(experiment.fairness->spread.jain, 3),
                         by_progress ? "of progress; 1: all equal" : "of mean latency; 1: all equal"));
  }
  if (experiment.rate_spreads.size() == 1)
    facts.push_back(fact("Work rates, max / min", format_fixed(experiment.rate_spreads[0].max_min_ratio, 3),
                         fmt::format("{} tenants of one work", experiment.rate_spreads[0].tenants)));
  if (experiment.antt)
    facts.push_back(
        fact("Turnaround (ANTT)", fmt::format("{}×", format_fixed(*experiment.antt, 2)), "mean of 1 / progress"));
  add_utilisation_facts(facts, experiment.device);
  if (experiment.window_s) {
    facts.push_back(fact("Window", format_duration_s(experiment.window_s->high - experiment.window_s->low),
                         "in which all tenants are active"));
  }
  return facts;
}

Json verdict_of(const std::optional<Verdict>& verdict) {
  return verdict ? Json(std::string(to_string(*verdict))) : Json();
}

Json tenant_data(const TenantAnalysis& tenant, Metric metric) {
  static const Summary none{};
  const Summary* found = summary_of(tenant, metric);
  const bool known = found && found->count > 0;
  const Summary& s = known ? *found : none;
  const auto figure = [&](double value) { return known ? to_page(value) : Json(); };
  Json data = {{"name", tenant.name},
               {"work", work_of(tenant)},
               {"died", tenant.died ? Json(*tenant.died) : Json()},
               {"count", s.count},
               {"n_eff", figure(s.n_eff)},
               {"mean", figure(s.mean)},
               {"std", figure(s.std)},
               {"min", figure(s.min)},
               {"p50", figure(s.p50)},
               {"p90", figure(s.p90)},
               {"p95", figure(s.p95)},
               {"p99", figure(s.p99)},
               {"max", figure(s.max)},
               {"ci", to_page(s.ci95_p50)},
               {"ci95_p95", to_page(s.ci95_p95)},
               {"ci95_p99", to_page(s.ci95_p99)},
               {"bound", tenant.bound},
               {"bound_reason", tenant.bound_reason},
               {"verdict", verdict_of(tenant.verdict)},
               {"study_verdict", verdict_of(tenant.study_verdict)}};
  for (const TenantFigure& figure : tenant_figures()) {
    data[figure.id] = to_page(figure.value(tenant));
    if (figure.interval) data[fmt::format("{}_ci95", figure.id)] = to_page(figure.interval(tenant));
  }
  return data;
}

// The columns of figures that the table of tenants has.
Json columns_of(std::span<const TenantAnalysis> tenants) {
  Json columns = Json::array();
  for (const TenantFigure& figure : tenant_figures())
    if (is_shown(figure, tenants))
      columns.push_back({{"id", figure.id},
                         {"title", figure.title},
                         {"unit", figure.unit},
                         {"times", figure.shown == Shown::times},
                         {"percent", figure.shown == Shown::percent}});
  return columns;
}

Json distribution_data(const ExperimentAnalysis& experiment) {
  const DistributionChart chart = distribution_chart(experiment);
  Json histogram = Json::array(), density = Json::array();
  for (const auto& values : chart.histogram) histogram.push_back(to_page(values, 4));
  for (const auto& values : chart.density) density.push_back(to_page(values, 4));
  return {{"logarithmic", chart.logarithmic},
          {"edges", to_page(chart.edges, 6)},
          {"grid", to_page(chart.grid, 6)},
          {"histogram", histogram},
          {"density", density},
          {"beyond", chart.beyond}};
}

Json box_data(const ExperimentAnalysis& experiment) {
  Json boxes = Json::array();
  const auto found = box_chart(experiment);
  for (size_t i = 0; i < found.size(); ++i) {
    const Box& box = found[i];
    const bool known = !experiment.tenants[i].metric_ms.empty();
    boxes.push_back({{"low", to_page(box.low)},
                     {"p25", to_page(box.p25)},
                     {"p50", known ? to_page(box.p50) : Json()},
                     {"p75", to_page(box.p75)},
                     {"high", to_page(box.high)},
                     {"mean", to_page(box.mean)},
                     {"outliers", to_page(box.outliers, 5)},
                     {"outlier_count", box.outlier_count}});
  }
  return boxes;
}

Json timeline_data(const ExperimentAnalysis& experiment) {
  const TimelineChart chart = timeline_chart(experiment);
  return {{"has_times", chart.has_times},
          {"curves", to_page(chart.curves)},
          {"thinned", chart.thinned},
          {"window", to_page(experiment.window_s)}};
}

Json telemetry_data(const ExperimentAnalysis& experiment) {
  Json panels = Json::array();
  for (const TelemetryPanel& panel : telemetry_panels(experiment)) {
    Json curves = Json::array();
    for (size_t i = 0; i < panel.curves.size(); ++i) {
      Json curve = to_page(panel.curves[i]);
      curve["name"] = panel.names[i];
      curve["colour"] = panel.colours[i];
      curves.push_back(curve);
    }
    panels.push_back({{"title", panel.title}, {"unit", panel.unit}, {"curves", curves}});
  }
  return panels;
}

std::string basis_title(const std::string& basis) {
  if (basis == "progress") return "progress";
  return basis == "latency_mean" ? "mean latency" : "mean of the chosen metric";
}

Json fairness_data(const Fairness& fairness, size_t tenants) {
  const Spread& s = fairness.spread;
  const auto row = [](const char* name, const std::string& value, const std::string& equal) {
    return Json{name, value, equal};
  };
  Json quantiles = Json::array();
  for (const auto& q : fairness.by_quantile) {
    quantiles.push_back({{"name", q.name}, {"cv", to_page(q.cv)}, {"max_min_ratio", to_page(q.max_min_ratio)}});
  }
  const bool progress = fairness.basis == "progress";
  return {{"title", "Of " + basis_title(fairness.basis)},
          {"note", progress ? "How far each tenant gets compared with alone." : "All tenants do the same work."},
          {"figures", Json::array({row("Jain’s index", format_fixed(s.jain, 4), "1"),
                                   row("Coefficient of variation", format_fixed(s.cv, 4), "0"),
                                   row("Gini", format_fixed(s.gini, 4), "0"),
                                   row("max / min", format_fixed(s.max_min_ratio, 3), "1"),
                                   row("range", fmt::format("{:.4g}{}", s.range, progress ? "" : " ms"), "0"),
                                   row("largest deviation from the mean",
                                       fmt::format("{}%", format_fixed(s.max_deviation_percent, 2)), "0%")})},
          {"tenants", tenants},
          {"by_quantile", quantiles}};
}

Json significance_data(const ExperimentAnalysis& experiment) {
  if (!experiment.significance) return nullptr;
  const Significance& tests = *experiment.significance;
  Json pairs = Json::array();
  for (const PairTest& pair : tests.pairs) {
    pairs.push_back({{"a", pair.a},
                     {"b", pair.b},
                     {"t", to_page(pair.t)},
                     {"t_p", to_page(pair.t_p)},
                     {"cohens_d", to_page(pair.cohens_d)},
                     {"u", to_page(pair.u)},
                     {"u_p", to_page(pair.u_p)},
                     {"p_holm", to_page(pair.p_holm)},
                     {"rank_biserial", to_page(pair.rank_biserial)},
                     {"cliffs_delta", to_page(pair.cliffs_delta)},
                     {"hodges_lehmann_ms", to_page(pair.hodges_lehmann_ms)}});
  }
  const auto line = [](const std::string& name, const TestResult& result) {
    return Json{name, to_page(result.statistic), to_page(result.p)};
  };
  return {{"pairs", pairs},
          {"summary",
           Json::array({line("Levene (equal variances?)", tests.levene),
                        line(tests.equal_variances ? "ANOVA (equal means?)" : "Kruskal-Wallis (one distribution?)",
                             tests.omnibus)})}};
}

void add_device_entries(const auto& add, const DeviceAnalysis& device, const std::string& of) {
  if (device.sm_clock_mhz) add("Mean SM clock" + of, fmt::format("{} MHz", format_fixed(*device.sm_clock_mhz, 0)));
  if (device.power_w) add("Mean power" + of, fmt::format("{} W", format_fixed(*device.power_w, 0)));
  if (device.memory_used_bytes)
    add("Device memory used" + of, format_bytes(static_cast<uint64_t>(*device.memory_used_bytes)));
}

// Of several devices: what each did with its own tenants.
std::string throughput_of(const PerDeviceAnalysis& device) {
  std::vector<std::string> parts{device.name};
  if (device.tokens_per_s) parts.push_back(grouped(*device.tokens_per_s) + " tokens/s");
  if (device.stp) parts.push_back("STP " + format_fixed(*device.stp, 2));
  if (!device.bound.empty()) parts.push_back(device.bound + "-bound");
  return fmt::format("{}", fmt::join(parts, ", "));
}

Json environment_data(const ExperimentAnalysis& experiment) {
  Json entries = Json::array();
  const auto add = [&](const std::string& key, const std::string& value) {
    if (!value.empty()) entries.push_back(Json{key, value});
  };
  add("Device", experiment.device.name);
  for (const PerDeviceAnalysis& device : experiment.devices)
    if (has_several_devices(experiment)) add(device.device, throughput_of(device));
  add("Driver, CUDA", experiment.driver + (experiment.cuda.empty() ? "" : ", CUDA " + experiment.cuda));
  add("CPU", experiment.cpu);
  add("Host", experiment.host);
  add("Sharing", experiment.sharing);
  add("Co-run", experiment.corun ? std::string(to_string(*experiment.corun)) : "");
  add("Started", experiment.started_at);
  add("Measured by",
      experiment.version.empty() ? "" : fmt::format("cotenant {} ({})", experiment.version, experiment.commit));
  if (!has_several_devices(experiment)) add_device_entries(add, experiment.device, "");
  for (const PerDeviceAnalysis& device : experiment.devices)
    if (has_several_devices(experiment)) add_device_entries(add, device, ", " + device.device);
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (!tenant.baseline) continue;
    const BaselineUse& use = *tenant.baseline;
    const std::string where = fmt::format("{}: {} in {} ({})", tenant.name, use.tenant, use.experiment, use.why);
    add("Alone", where);
  }
  add("Files", experiment.directory.string());
  return entries;
}

std::string subtitle_of(const ExperimentAnalysis& experiment) {
  std::string text = experiment.device.name.empty() ? experiment.cpu : experiment.device.name;
  const auto append = [&](const std::string& part) {
    if (!part.empty()) text += (text.empty() ? "" : " · ") + part;
  };
  append(experiment.sharing);
  append(experiment.started_at);
  if (experiment.study_form) append("times between device events");
  return text;
}

Json page_frame(const char* kind, const std::string& name) {
  return {{"kind", kind},
          {"name", name},
          {"colours", tenant_colours.size()},
          {"footer", fmt::format("Made by cotenant {} ({}).", version(), git_commit())}};
}

Json items_of(auto&& named) {
  Json items = Json::array();
  for (const auto& each : named) items.push_back({{"name", each.name}, {"colour", items.size()}});
  return items;
}

Json metric_data(Metric metric) {
  return {{"name", title(metric)}, {"title", unit_title(metric)}};
}

}  // namespace

Json experiment_data(const ExperimentAnalysis& experiment) {
  Json data = page_frame("experiment", experiment.name);
  data["answer"] = answer(experiment);
  data["subtitle"] = subtitle_of(experiment);
  data["valid"] = experiment.valid ? Json(*experiment.valid) : Json();
  data["reasons"] = experiment.reasons;
  data["warnings"] = experiment.warnings;
  data["facts"] = facts_of(experiment);
  data["metric"] = metric_data(experiment.metric);
  data["items"] = items_of(experiment.tenants);
  data["tenants"] = Json::array();
  for (const TenantAnalysis& tenant : experiment.tenants) {
    data["tenants"].push_back(tenant_data(tenant, experiment.metric));
    if (has_several_devices(experiment)) {
      auto& work = data["tenants"].back()["work"];
      work = fmt::format("{} on {}", work.get<std::string>(), tenant.device);
    }
  }
  data["columns"] = columns_of(experiment.tenants);
  data["log_axis"] = wants_log_axis(experiment);
  data["distribution"] = distribution_data(experiment);
  data["ecdf"] = to_page(ecdf_chart(experiment));
  data["boxes"] = box_data(experiment);
  data["timeline"] = timeline_data(experiment);
  data["telemetry"] = telemetry_data(experiment);
  data["fairness"] = Json::array();
  for (const auto& fairness : {experiment.fairness, experiment.progress_fairness}) {
    if (fairness) data["fairness"].push_back(fairness_data(*fairness, experiment.tenants.size()));
  }
  data["significance"] = significance_data(experiment);
  data["environment"] = environment_data(experiment);
  data["config"] = experiment.config ? read_file(*experiment.config, largest_config_bytes) : "";
  return data;
}

Json comparison_data(std::span<const ExperimentAnalysis> experiments, std::span<const std::string> links) {
  Json data = page_frame("comparison", fmt::format("{} experiments", experiments.size()));
  data["answer"] = answer(experiments);
  data["subtitle"] = experiments.empty() ? "" : subtitle_of(experiments.front());
  data["valid"] = nullptr;
  data["config"] = "";
  for (const char* key : {"reasons", "warnings", "facts", "environment"}) data[key] = Json::array();
  data["metric"] = metric_data(experiments.empty() ? Metric::latency : experiments.front().metric);
  data["items"] = items_of(experiments);
  data["experiments"] = Json::array();
  for (const ExperimentFigures& figures : figures_of(experiments)) {
    const size_t at = data["experiments"].size();
    data["experiments"].push_back({{"name", figures.name},
                                   {"link", at < links.size() ? links[at] : ""},
                                   {"sharing", figures.sharing},
                                   {"tenants", figures.tenants},
                                   {"valid", figures.valid ? Json(*figures.valid) : Json()},
                                   {"stp", to_page(figures.stp)},
                                   {"worst_slowdown", to_page(figures.worst_slowdown)},
                                   {"tokens_per_s", to_page(figures.tokens_per_s)},
                                   {"tokens_per_s_in_turn", to_page(figures.tokens_per_s_in_turn)},
                                   {"joules_per_token", to_page(figures.joules_per_token)},
                                   {"memory_gib", to_page(figures.memory_gib)},
                                   {"worst_clock_ratio", to_page(figures.worst_clock_ratio)},
                                   {"sm_clock_mhz", to_page(figures.sm_clock_mhz)},
                                   {"bound", figures.bound},
                                   {"jain", to_page(figures.jain)},
                                   {"median_ms", to_page(figures.median_ms)}});
  }
  data["load"] = Json::array();
  for (const LoadLine& line : load_lines(experiments)) {
    data["load"].push_back({{"name", line.name},
                            {"offered_per_s", to_page(line.offered_per_s, 6)},
                            {"p99_ms", to_page(line.p99_ms, 6)},
                            {"goodput_per_s", to_page(line.goodput_per_s, 6)}});
  }
  data["scaling"] = Json::array();
  for (const ScalingLine& line : scaling_lines(experiments)) {
    data["scaling"].push_back({{"name", line.name},
                               {"tenants", to_page(line.tenants, 6)},
                               {"tokens_per_s", to_page(line.tokens_per_s, 6)},
                               {"median_ms", to_page(line.median_ms, 6)}});
  }
  return data;
}

}  // namespace cotenant
