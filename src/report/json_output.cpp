#include "report/json_output.h"

#include <fmt/format.h>

#include <optional>

#include "analysis/figures.h"
#include "report/json_value.h"

namespace cotenant {
namespace {

Json interval(const std::optional<Interval>& value) {
  return value ? Json::array({number(value->low), number(value->high)}) : Json();
}

template <class Enum>
Json name(const std::optional<Enum>& value) {
  return value ? Json(to_string(*value)) : Json();
}

Json summary(const std::optional<Summary>& s) {
  if (!s) return nullptr;
  if (s->count == 0) return {{"count", 0}};
  return {{"count", s->count},
          {"mean", number(s->mean)},
          {"std", number(s->std)},
          {"min", number(s->min)},
          {"max", number(s->max)},
          {"p25", number(s->p25)},
          {"p50", number(s->p50)},
          {"p75", number(s->p75)},
          {"p90", number(s->p90)},
          {"p95", number(s->p95)},
          {"p99", number(s->p99)},
          {"ci95_p50", interval(s->ci95_p50)},
          {"ci95_p95", interval(s->ci95_p95)},
          {"ci95_p99", interval(s->ci95_p99)},
          {"n_eff", number(s->n_eff)},
          {"n_eff_p50", number(s->n_eff_p50)},
          {"n_eff_p95", number(s->n_eff_p95)},
          {"n_eff_p99", number(s->n_eff_p99)},
          {"outliers", s->outliers}};
}

Json baseline(const std::optional<BaselineUse>& use) {
  if (!use) return nullptr;
  return {{"experiment", use->experiment},
          {"tenant", use->tenant},
          {"directory", use->directory.string()},
          {"why", use->why},
          {"mismatches", use->mismatches},
          {"rate_per_s", number(use->rate_per_s)},
          {"tokens_per_s", number(use->tokens_per_s)},
          {"sm_clock_mhz", number(use->sm_clock_mhz)},
          {"telemetry_samples", use->telemetry_samples},
          {"throttled_samples", use->throttled_samples},
          {"p50", use->metric.count > 0 ? number(use->metric.p50) : Json()}};
}

Json stress(const std::optional<StressUse>& use) {
  if (!use) return nullptr;
  return {{"kind", use->kind},
          {"intensity", number(use->intensity)},
          {"service_ms", number(use->service_ms)},
          {"calibrated_ms", number(use->calibrated_ms)},
          {"unit", use->unit.empty() ? Json() : Json(use->unit)},
          {"rate_alone", number(use->rate_alone)},
          {"rate", number(use->rate)},
          {"rate_share", number(use->rate_share)},
          {"slowdown", number(use->slowdown)},
          {"footprint_sms", use->footprint_sms ? Json(*use->footprint_sms) : Json()}};
}

Json tenant(const TenantAnalysis& t) {
  Json json = {{"name", t.name},
               {"device", text(t.device)},
               {"model", t.model},
               {"batch_size", t.batch_size},
               {"seq_len", t.seq_len},
               {"task", to_string(t.task)},
               {"engine", t.engine},
               {"dtype", t.dtype},
               {"stress", stress(t.stress)},
               {"died", t.died ? Json(*t.died) : Json()},
               {"iterations", t.iterations},
               {"outside_window", t.outside_window},
               {"rejected", t.rejected},
               {"failed", t.failed},
               {"latency_ms", summary(t.latency_ms)},
               {"overlap_latency_ms", summary(t.overlap_latency_ms)},
               {"gpu_ms", summary(t.gpu_ms)},
               {"queue_ms", summary(t.queue_ms)},
               {"ttft_ms", summary(t.ttft_ms)},
               {"tpot_ms", summary(t.tpot_ms)},
               {"itl_ms", summary(t.itl_ms)},
               {"clock", to_string(t.clock)},
               {"baseline", baseline(t.baseline)},
               {"bound", text(t.bound)},
               {"bound_reason", text(t.bound_reason)},
               {"verdict", name(t.verdict)},
               {"study_verdict", name(t.study_verdict)},
               {"settled_after", t.settled_after ? Json(*t.settled_after) : Json()},
               {"changed_after", t.changed_after ? Json(*t.changed_after) : Json()}};
  for (const TenantFigure& figure : tenant_figures()) {
    json[figure.id] = number(figure.value(t));
    if (figure.interval) json[fmt::format("{}_ci95", figure.id)] = interval(figure.interval(t));
  }
  return json;
}

Json device(const DeviceAnalysis& d) {
  return {{"name", d.name},
          {"uuid", d.uuid},
          {"tokens_per_s", number(d.tokens_per_s)},
          {"tokens_per_s_alone_in_turn", number(d.tokens_per_s_alone_in_turn)},
          {"max_completion_s", number(d.max_completion_s)},
          {"overlap_s", number(d.overlap_s)},
          {"sm_clock_mhz", number(d.sm_clock_mhz)},
          {"power_w", number(d.power_w)},
          {"joules_per_token", number(d.joules_per_token)},
          {"memory_used_bytes", number(d.memory_used_bytes)},
          {"sm_percent", number(d.sm_percent)},
          {"occupancy_percent", number(d.occupancy_percent)},
          {"tensor_percent", number(d.tensor_percent)},
          {"dram_percent", number(d.dram_percent)},
          {"telemetry_samples", d.telemetry_samples},
          {"throttled_samples", d.throttled_samples},
          {"bound", text(d.bound)},
          {"bound_reason", text(d.bound_reason)}};
}

// Each by itself, with its own tenants.
Json devices(const ExperimentAnalysis& e) {
  Json list = Json::array();
  for (const PerDeviceAnalysis& d : e.devices) {
    Json one = {{"device", text(d.device)}, {"tenants", Json::array()}};
    for (const TenantAnalysis& t : e.tenants)
      if (t.device == d.device) one["tenants"].push_back(t.name);
    one.update(device(d));
    one.update({{"stp", number(d.stp)},
                {"stp_ci95", interval(d.stp_interval)},
                {"antt", number(d.antt)},
                {"jain", number(d.jain)}});
    list.push_back(std::move(one));
  }
  return list;
}

Json fairness(const std::optional<Fairness>& f) {
  if (!f) return nullptr;
  Json by_quantile = Json::object();
  for (const auto& at : f->by_quantile)
    by_quantile[at.name] = {{"cv", number(at.cv)}, {"max_min_ratio", number(at.max_min_ratio)}};
  return {{"basis", f->basis},
          {"cv", number(f->spread.cv)},
          {"gini", number(f->spread.gini)},
          {"max_min_ratio", number(f->spread.max_min_ratio)},
          {"range", number(f->spread.range)},
          {"max_deviation_percent", number(f->spread.max_deviation_percent)},
          {"jain", number(f->spread.jain)},
          {"by_quantile", by_quantile}};
}

Json significance(const ExperimentAnalysis& e) {
  if (!e.significance) return nullptr;
  const Significance& s = *e.significance;
  Json pairs = Json::array();
  for (const PairTest& pair : s.pairs)
    pairs.push_back({{"a", e.tenants[pair.a].name},
                     {"b", e.tenants[pair.b].name},
                     {"t", number(pair.t)},
                     {"t_p", number(pair.t_p)},
                     {"cohens_d", number(pair.cohens_d)},
                     {"u", number(pair.u)},
                     {"u_p", number(pair.u_p)},
                     {"rank_biserial", number(pair.rank_biserial)},
                     {"cliffs_delta", number(pair.cliffs_delta)},
                     {"hodges_lehmann_ms", number(pair.hodges_lehmann_ms)},
                     {"p_holm", number(pair.p_holm)}});
  return {{"assumes_independence", true},
          {"levene", {{"statistic", number(s.levene.statistic)}, {"p", number(s.levene.p)}}},
          {"omnibus",
           {{"test", s.equal_variances ? "anova" : "kruskal"},
            {"statistic", number(s.omnibus.statistic)},
            {"p", number(s.omnibus.p)}}},
          {"t_test", s.equal_variances ? "student" : "welch"},
          {"pairs", pairs}};
}

Json rate_spreads(const ExperimentAnalysis& e) {
  Json list = Json::array();
  for (const RateSpread& spread : e.rate_spreads)
    list.push_back({{"work", spread.work},
                    {"tenants", spread.tenants},
                    {"max_min_ratio", number(spread.max_min_ratio)},
                    {"fastest", e.tenants[spread.fastest].name},
                    {"slowest", e.tenants[spread.slowest].name}});
  return list;
}

Json repeats(const ExperimentAnalysis& e) {
  Json list = Json::array();
  for (const RepeatAnalysis& repeat : e.repeats) {
    Json tenants = Json::array();
    for (size_t t = 0; t < e.tenants.size(); ++t)
      tenants.push_back({{"name", e.tenants[t].name},
                         {"p50", number(repeat.p50_ms[t])},
                         {"mean", number(repeat.mean_ms[t])},
                         {"requests_per_s", number(repeat.rate_per_s[t])},
                         {"progress", number(repeat.progress[t])},
                         {"slowdown_p50", number(repeat.slowdown_p50[t])}});
    list.push_back({{"name", repeat.name}, {"tenants", tenants}});
  }
  return list;
}

Json experiment(const ExperimentAnalysis& e) {
  Json tenants = Json::array();
  for (const TenantAnalysis& t : e.tenants) tenants.push_back(tenant(t));
  return {{"experiment", e.name},
          {"directory", e.directory.string()},
          {"valid", e.valid ? Json(*e.valid) : Json()},
          {"reasons", e.reasons},
          {"warnings", e.warnings},
          {"metric", to_string(e.metric)},
          {"sharing", e.sharing},
          {"corun", e.corun ? to_string(*e.corun) : ""},
          {"started_at", e.started_at},
          {"commit", e.commit},
          {"tenants", tenants},
          {"device", device(e.device)},
          {"devices", devices(e)},
          {"system", {{"stp", number(e.stp)}, {"stp_ci95", interval(e.stp_interval)}, {"antt", number(e.antt)}}},
          {"fairness", fairness(e.fairness)},
          {"progress_fairness", fairness(e.progress_fairness)},
          {"rate_spreads", rate_spreads(e)},
          {"significance", significance(e)},
          {"repeats", repeats(e)}};
}

Json sensitivity(const SensitivityTable& table) {
  const auto rows = [](const std::vector<std::vector<std::optional<double>>>& slowdowns) {
    Json json = Json::array();
    for (const auto& row : slowdowns) {
      Json cells = Json::array();
      for (const auto& cell : row) cells.push_back(number(cell));
      json.push_back(std::move(cells));
    }
    return json;
  };
  return {{"tenant", table.tenant},
          {"model", table.model},
          {"batch_size", table.batch_size},
          {"seq_len", table.seq_len},
          {"sharing", table.sharing},
          {"kinds", table.kinds},
          {"intensities", table.intensities},
          {"slowdown_p50", rows(table.slowdown_p50)},
          {"slowdown_mean", rows(table.slowdown_mean)}};
}

}  // namespace

std::string sweep_json(std::span<const ExperimentAnalysis> experiments, std::span<const SensitivityTable> tables) {
  Json all = Json::array(), curves = Json::array();
  for (const ExperimentAnalysis& e : experiments) all.push_back(experiment(e));
  for (const SensitivityTable& table : tables) curves.push_back(sensitivity(table));
  return text_of({{"experiments", all}, {"sensitivity", curves}});
}

std::string json_output(std::span<const ExperimentAnalysis> experiments) {
  Json all = Json::array();
  for (const ExperimentAnalysis& e : experiments) all.push_back(experiment(e));
  return text_of(experiments.size() == 1 ? all[0] : all);
}

}  // namespace cotenant
