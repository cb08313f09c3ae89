#include "report/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/figures.h"
#include "base/printable.h"
#include "base/text.h"
#include "report/answer.h"

namespace cotenant {
namespace {

constexpr const char* unknown = "-";

std::string painted(const std::string& text, const char* code, bool colour) {
  return colour ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}
constexpr const char* bold = "1";
constexpr const char* red = "31";
constexpr const char* yellow = "33";

std::string ms_or_unknown(const Summary* summary, double Summary::*of) {
  return summary && summary->count > 0 ? format_ms((*summary).*of) : unknown;
}

std::string times(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{}x", format_fixed(*ratio, 2)) : unknown;
}

std::string fixed(const std::optional<double>& value, int digits) {
  return value ? format_fixed(*value, digits) : unknown;
}

std::string count_or_unknown(const std::optional<double>& value) {
  return value ? format_count(*value) : unknown;
}

// A p value as one reads it: never 0.
std::string p_text(double p) {
  if (std::isnan(p)) return "undefined";
  if (p < 1e-4) return p < 1e-300 ? "< 1e-300" : fmt::format("{:.0e}", p);
  return format_fixed(p, 4);
}

// Where there is no verdict of our own, the study's.
bool has_verdicts(const ExperimentAnalysis& experiment) {
  return std::ranges::any_of(experiment.tenants, [](const auto& t) { return t.verdict.has_value(); });
}

std::string verdict_text(const TenantAnalysis& tenant, bool own) {
  const std::optional<Verdict>& verdict = own ? tenant.verdict : tenant.study_verdict;
  return verdict ? std::string(to_string(*verdict)) : unknown;
}

std::string work_text(const TenantAnalysis& tenant) {
  return fmt::format("{}x{}", tenant.batch_size, tenant.seq_len);
}

bool any_generates(const ExperimentAnalysis& experiment) {
  return std::ranges::any_of(experiment.tenants, [](const auto& t) { return t.ttft_ms.has_value(); });
}

bool any_baseline(const ExperimentAnalysis& experiment) {
  return std::ranges::any_of(experiment.tenants, [](const auto& t) { return t.baseline.has_value(); });
}

std::string figure_text(const TenantFigure& figure, const TenantAnalysis& tenant) {
  const std::optional<double> value = figure.value(tenant);
  switch (figure.shown) {
    case Shown::count:
      return count_or_unknown(value);
    case Shown::times:
      return times(value);
    case Shown::percent:
      return value ? format_fixed(100 * *value, 2) + "%" : unknown;
    case Shown::fixed:
    case Shown::on_pages:
    case Shown::never:
      break;
  }
  return fixed(value, 3);
}

Table tenant_table(const ExperimentAnalysis& experiment) {
  const bool generates = any_generates(experiment), compared = any_baseline(experiment);
  const bool own = has_verdicts(experiment), several = has_several_devices(experiment);
  std::vector<const TenantFigure*> figures;
  for (const TenantFigure& figure : tenant_figures())
    if (figure.shown != Shown::on_pages && is_shown(figure, experiment.tenants)) figures.push_back(&figure);
  const std::string of = experiment.metric == Metric::latency ? "" : std::string(to_string(experiment.metric)) + " ";
  std::vector<Table::Column> columns{{"tenant", Align::left}, {"model", Align::left}, {"batch"},
                                     {of + "p50 ms"},         {of + "p95 ms"},        {of + "p99 ms"}};
  if (several) columns.insert(columns.begin() + 1, {"device", Align::left});
  if (generates) columns.insert(columns.end(), {{"TTFT ms"}, {"TPOT ms"}});
  for (const TenantFigure* figure : figures) columns.push_back({std::string(figure->title)});
  if (compared) columns.push_back({own ? "verdict" : "study's verdict", Align::left});
  Table table(columns);
  for (const TenantAnalysis& t : experiment.tenants) {
    const Summary* metric = summary_of(t, experiment.metric);
    std::vector<std::string> row{t.name,
                                 t.model,
                                 work_text(t),
                                 ms_or_unknown(metric, &Summary::p50),
                                 ms_or_unknown(metric, &Summary::p95),
                                 ms_or_unknown(metric, &Summary::p99)};
    if (several) row.insert(row.begin() + 1, t.device);
    if (generates) {
      row.push_back(ms_or_unknown(summary_of(t, Metric::ttft), &Summary::p50));
      row.push_back(ms_or_unknown(summary_of(t, Metric::tpot), &Summary::p50));
    }
    for (const TenantFigure* figure : figures) row.push_back(figure_text(*figure, t));
    if (compared) row.push_back(verdict_text(t, own));
    table.add_row(std::move(row));
  }
  return table;
}

// Of several devices, each with its own tenants.
Table device_table(const ExperimentAnalysis& experiment) {
  Table table({{"device", Align::left},
               {"tenants"},
               {"tokens/s"},
               {"one after another"},
               {"STP"},
               {"ANTT"},
               {"Jain"},
               {"SM clock"},
               {"power W"},
               {"J/token"},
               {"memory"},
               {"bound", Align::left}});
  for (const PerDeviceAnalysis& d : experiment.devices) {
    const auto tenants = std::ranges::count(experiment.tenants, d.device, &TenantAnalysis::device);
    table.add_row({d.device, std::to_string(tenants), count_or_unknown(d.tokens_per_s),
                   count_or_unknown(d.tokens_per_s_alone_in_turn), fixed(d.stp, 3), fixed(d.antt, 3), fixed(d.jain, 4),
                   fixed(d.sm_clock_mhz, 0), fixed(d.power_w, 0),
                   d.joules_per_token ? fmt::format("{:.3g}", *d.joules_per_token) : unknown,
                   d.memory_used_bytes ? format_bytes(static_cast<uint64_t>(*d.memory_used_bytes)) : unknown,
                   d.bound.empty() ? unknown : d.bound});
  }
  return table;
}

std::string device_line(const ExperimentAnalysis& experiment) {
  const DeviceAnalysis& device = experiment.device;
  std::vector<std::string> parts;
  if (device.tokens_per_s)
    parts.push_back(fmt::format("{} {} tokens/s", has_several_devices(experiment) ? "all devices" : "device",
                                format_count(*device.tokens_per_s)));
  if (device.tokens_per_s_alone_in_turn && experiment.tenants.size() > 1)
    parts.push_back(fmt::format("one after another {}", format_count(*device.tokens_per_s_alone_in_turn)));
  if (experiment.stp) parts.push_back(fmt::format("STP {}", format_fixed(*experiment.stp, 3)));
  if (experiment.antt) parts.push_back(fmt::format("ANTT {}", format_fixed(*experiment.antt, 3)));
  if (experiment.progress_fairness || experiment.fairness) {
    const Fairness& f = experiment.progress_fairness ? *experiment.progress_fairness : *experiment.fairness;
    parts.push_back(fmt::format("Jain {} ({})", format_fixed(f.spread.jain, 4),
                                f.basis == "progress" ? "progress" : "mean latency"));
  }
  if (experiment.rate_spreads.size() == 1)
    parts.push_back(fmt::format("work rates max/min {}", format_fixed(experiment.rate_spreads[0].max_min_ratio, 4)));
  if (device.overlap_s && experiment.tenants.size() > 1)
    parts.push_back(fmt::format("overlap {}", format_duration_s(*device.overlap_s)));
  if (device.joules_per_token) parts.push_back(fmt::format("{:.3g} J/token", *device.joules_per_token));
  if (device.sm_clock_mhz) parts.push_back(fmt::format("SM clock {} MHz", format_fixed(*device.sm_clock_mhz, 0)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::vector<std::string> validity_lines(const ExperimentAnalysis& experiment) {
  if (!experiment.valid) return {};
  if (*experiment.valid) return {"valid"};
  std::vector<std::string> lines{"not valid"};
  for (const std::string& reason : experiment.reasons) lines.push_back("  " + reason);
  return lines;
}

std::vector<std::string> fairness_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  const auto add = [&](const std::optional<Fairness>& f) {
    if (!f) return;
    const Spread& s = f->spread;
    lines.push_back(
        fmt::format("fairness of {}: CV {}, Gini {}, max/min {}, largest deviation {}%, "
                    "Jain {}",
                    f->basis, format_fixed(s.cv, 4), format_fixed(s.gini, 4), format_fixed(s.max_min_ratio, 4),
                    format_fixed(s.max_deviation_percent, 2), format_fixed(s.jain, 4)));
    std::vector<std::string> at;
    for (const auto& q : f->by_quantile) at.push_back(fmt::format("{} {}", q.name, format_fixed(q.max_min_ratio, 4)));
    lines.push_back(fmt::format("  max/min at {}", fmt::join(at, ", ")));
  };
  add(experiment.fairness);
  add(experiment.progress_fairness);
  return lines;
}

std::vector<std::string> test_lines(const ExperimentAnalysis& experiment) {
  if (!experiment.significance) return {};
  const Significance& s = *experiment.significance;
  std::vector<std::string> lines;
  lines.push_back("tests (they assume independent samples, which these are not; no verdict rests on them):");
  lines.push_back(fmt::format("  Levene W {:.4g}, p {}; {} {:.4g}, p {}", s.levene.statistic, p_text(s.levene.p),
                              s.equal_variances ? "ANOVA F" : "Kruskal-Wallis H", s.omnibus.statistic,
                              p_text(s.omnibus.p)));
  if (s.pairs.empty()) return lines;
  const auto largest = std::ranges::max_element(s.pairs, {}, [](const PairTest& pair) {
    return std::isnan(pair.rank_biserial) ? 0 : std::abs(pair.rank_biserial);
  });
  const auto significant = std::ranges::count_if(s.pairs, [](const PairTest& pair) { return pair.p_holm < 0.05; });
  lines.push_back(fmt::format(
      "  {} of {} pairs differ at 5% (Mann-Whitney, Holm); the most: {} and {}: {}, Cohen's d "
      "{}, rank-biserial {}, p {}",
      significant, s.pairs.size(), experiment.tenants[largest->a].name, experiment.tenants[largest->b].name,
      largest->hodges_lehmann_ms ? fmt::format("{:+.3g} ms", *largest->hodges_lehmann_ms) : "shift not computed",
      format_fixed(largest->cohens_d, 2), format_fixed(largest->rank_biserial, 2), p_text(largest->p_holm)));
  return lines;
}

// Tenants of one baseline on one line.
std::vector<std::string> baseline_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  std::vector<const BaselineUse*> told;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (!tenant.baseline) continue;
    const auto same = [&](const BaselineUse* use) {
      return use->directory == tenant.baseline->directory && use->tenant == tenant.baseline->tenant;
    };
    if (std::ranges::any_of(told, same)) continue;
    told.push_back(&*tenant.baseline);
    std::vector<std::string> names;
    for (const TenantAnalysis& other : experiment.tenants)
      if (other.baseline && same(&*other.baseline)) names.push_back(other.name);
    lines.push_back(fmt::format("baseline of {}: {} ({})", fmt::join(names, ", "), tenant.baseline->directory.string(),
                                tenant.baseline->why));
  }
  return lines;
}

// What each tenant is bound by alone, and what company costs it.
std::vector<std::string> bound_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    const std::string bound = tenant.bound.empty() ? "unknown: " : tenant.bound + ": ";
    if (!tenant.bound_reason.empty())
      lines.push_back(fmt::format("bound of {} alone: {}{}", tenant.name, bound, tenant.bound_reason));
    if (tenant.contention_ms)
      lines.push_back(
          fmt::format("contention of {}: {:+.3f} ms at the median{}", tenant.name, *tenant.contention_ms,
                      tenant.clock_ratio ? fmt::format(", clock {}x", format_fixed(*tenant.clock_ratio, 2)) : ""));
  }
  for (const PerDeviceAnalysis& device : experiment.devices)
    if (!device.bound.empty())
      lines.push_back(fmt::format("bound of {}: {}: {}", has_several_devices(experiment) ? device.device : "the device",
                                  device.bound, device.bound_reason));
  return lines;
}

std::vector<std::string> rate_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  for (const RateSpread& spread : experiment.rate_spreads)
    lines.push_back(fmt::format("work rates of {} tenants of {}: max/min {} ({} over {})", spread.tenants, spread.work,
                                format_fixed(spread.max_min_ratio, 4), experiment.tenants[spread.fastest].name,
                                experiment.tenants[spread.slowest].name));
  return lines;
}

std::vector<std::string> memory_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  for (const TenantAnalysis& tenant : experiment.tenants)
    if (tenant.resident_bytes && tenant.weights_bytes > 0)
      lines.push_back(fmt::format("memory of {}: {} resident; {} for weights and {} for activations", tenant.name,
                                  format_bytes(*tenant.resident_bytes), format_bytes(tenant.weights_bytes),
                                  format_bytes(tenant.activation_bytes)));
  return lines;
}

// "stress stressor: dram at intensity 0.5: 1180 GB/s, 0.42 of the 2810 GB/s alone; a request takes 1.31x ..."
std::vector<std::string> stress_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> lines;
  for (const TenantAnalysis& tenant : experiment.tenants) {
    if (!tenant.stress) continue;
    const StressUse& stress = *tenant.stress;
    std::vector<std::string> parts{fmt::format("{} at intensity {:g}", stress.kind, stress.intensity)};
    if (stress.rate && stress.rate_alone && stress.rate_share)
      parts.push_back(fmt::format("{:.4g} {}, {} of the {:.4g} that a request reaches alone", *stress.rate, stress.unit,
                                  format_fixed(*stress.rate_share, 3), *stress.rate_alone));
    else if (stress.rate_alone)
      parts.push_back(fmt::format("{:.4g} {} alone", *stress.rate_alone, stress.unit));
    if (stress.slowdown && stress.calibrated_ms)
      parts.push_back(fmt::format("its requests take {}x their {} ms", format_fixed(*stress.slowdown, 2),
                                  format_ms(*stress.calibrated_ms)));
    if (stress.footprint_sms) parts.push_back(fmt::format("on {} SMs", *stress.footprint_sms));
    lines.push_back(fmt::format("stress of {}: {}", tenant.name, fmt::join(parts, "; ")));
  }
  return lines;
}

std::string interval_text(const std::optional<Interval>& interval) {
  return interval ? fmt::format("{} - {}", format_ms(interval->low), format_ms(interval->high)) : "n too small";
}

Table sample_table(const ExperimentAnalysis& experiment) {
  Table table({{"tenant", Align::left},
               {"n"},
               {"n eff."},
               {"mean ms"},
               {"std"},
               {"min"},
               {"max"},
               {"p50, 95% interval"},
               {"p95, 95% interval"},
               {"outliers"}});
  for (const TenantAnalysis& t : experiment.tenants) {
    const Summary* s = summary_of(t, experiment.metric);
    if (!s || s->count == 0) continue;
    table.add_row({t.name, std::to_string(s->count), format_fixed(s->n_eff, 0), format_ms(s->mean), format_ms(s->std),
                   format_ms(s->min), format_ms(s->max), interval_text(s->ci95_p50), interval_text(s->ci95_p95),
                   std::to_string(s->outliers)});
  }
  return table;
}

std::string title_of(const ExperimentAnalysis& experiment) {
  std::vector<std::string> about;
  if (!experiment.device.name.empty()) about.push_back(experiment.device.name);
  if (experiment.device.name.empty() && !experiment.cpu.empty()) about.push_back(experiment.cpu);
  if (!experiment.sharing.empty()) about.push_back(experiment.sharing);
  if (!experiment.started_at.empty()) about.push_back(experiment.started_at);
  if (const std::string found = found_baselines({&experiment, 1}); !found.empty()) about.push_back(found);
  return about.empty() ? experiment.name : fmt::format("{} ({})", experiment.name, fmt::join(about, ", "));
}

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) out += printable(line) + "\n";
  return out;
}

std::string worst_text(const WorstSlowdown& worst, const TenantAnalysis& tenant) {
  const std::string clock = tenant.clock_ratio ? fmt::format(", clock {}x", format_fixed(*tenant.clock_ratio, 2)) : "";
  return fmt::format("{}x {}{}", format_fixed(worst.slowdown, 2), tenant.name, clock);
}

Table comparison_table(std::span<const ExperimentAnalysis> experiments) {
  Table table({{"experiment", Align::left},
               {"sharing", Align::left},
               {"tenants"},
               {"tokens/s"},
               {"one after another"},
               {"STP"},
               {"ANTT"},
               {"worst slowdown"},
               {"SM clock"},
               {"Jain"},
               {"J/token"},
               {"memory"},
               {"valid", Align::left}});
  for (const ExperimentAnalysis& e : experiments) {
    const auto worst = worst_slowdown(e);
    const std::optional<Fairness>& fairness = e.progress_fairness ? e.progress_fairness : e.fairness;
    table.add_row(
        {e.name, e.sharing.empty() ? unknown : e.sharing, std::to_string(e.tenants.size()),
         count_or_unknown(e.device.tokens_per_s), count_or_unknown(e.device.tokens_per_s_alone_in_turn),
         fixed(e.stp, 3), fixed(e.antt, 3), worst ? worst_text(*worst, e.tenants[worst->tenant]) : unknown,
         e.device.sm_clock_mhz ? format_fixed(*e.device.sm_clock_mhz, 0) : unknown,
         fairness ? format_fixed(fairness->spread.jain, 4) : unknown,
         e.device.joules_per_token ? fmt::format("{:.3g}", *e.device.joules_per_token) : unknown,
         e.device.memory_used_bytes ? format_bytes(static_cast<uint64_t>(*e.device.memory_used_bytes)) : unknown,
         e.valid ? (*e.valid ? "yes" : "no") : unknown});
  }
  return table;
}

// What stands behind the tables.
std::vector<std::string> detail_lines(const ExperimentAnalysis& experiment) {
  std::vector<std::string> all;
  for (const auto& lines :
       {fairness_lines(experiment), rate_lines(experiment), test_lines(experiment), bound_lines(experiment),
        baseline_lines(experiment), memory_lines(experiment), stress_lines(experiment)})
    all.insert(all.end(), lines.begin(), lines.end());
  if (!experiment.repeats.empty())
    all.push_back(fmt::format(
        "repeats: {} runs; with 3 or more, progress, STP, verdicts and the median's slowdown are their means; all else "
        "is the first run's",
        experiment.repeats.size()));
  return all;
}

}  // namespace

std::string format_ms(double ms) {
  if (!std::isfinite(ms)) return unknown;
  const int digits = std::abs(ms) < 10 ? 3 : std::abs(ms) < 100 ? 2 : 1;
  return format_fixed(ms, digits);
}

std::string found_baselines(std::span<const ExperimentAnalysis> experiments) {
  std::set<std::string> found;
  for (const ExperimentAnalysis& experiment : experiments)
    for (const TenantAnalysis& tenant : experiment.tenants)
      if (tenant.baseline && tenant.baseline->found_by_search) found.insert(tenant.baseline->directory.string());
  return found.empty() ? "" : fmt::format("alone, as found beside it: {}", fmt::join(found, ", "));
}

std::string experiment_table(const ExperimentAnalysis& experiment, bool colour) {
  std::string out = painted(printable(title_of(experiment)), bold, colour) + "\n";
  out += printable(answer(experiment)) + "\n\n";
  out += tenant_table(experiment).text(colour, "  ") + "\n";
  if (has_several_devices(experiment)) out += device_table(experiment).text(colour, "  ") + "\n";
  out += printable(device_line(experiment)) + "\n";
  const bool bad = experiment.valid && !*experiment.valid;
  for (const std::string& line : validity_lines(experiment))
    out += painted(printable(line), bad ? red : "32", colour) + "\n";
  if (!experiment.directory.empty()) out += "files: " + printable(experiment.directory.string()) + "\n";
  return out;
}

std::string experiment_details(const ExperimentAnalysis& experiment, bool colour) {
  const Table samples = sample_table(experiment);
  std::string out = samples.empty() ? "" : samples.text(colour, "  ") + "\n";
  out += joined(detail_lines(experiment));
  for (const std::string& warning : experiment.warnings)
    out += painted("warning:", yellow, colour) + " " + printable(warning) + "\n";
  return out;
}

std::string comparison_text(std::span<const ExperimentAnalysis> experiments, bool colour) {
  return painted(printable(answer(experiments)), bold, colour) + "\n\n" +
         comparison_table(experiments).text(colour, "  ");
}

std::string markdown_output(std::span<const ExperimentAnalysis> experiments) {
  std::string out;
  if (experiments.size() > 1)
    out += "## Comparison\n\n" + printable_markdown(answer(experiments)) + "\n\n" +
           comparison_table(experiments).markdown() + "\n";
  for (const ExperimentAnalysis& e : experiments) {
    out += "## " + printable_markdown(title_of(e)) + "\n\n" + printable_markdown(answer(e)) + "\n\n" +
           tenant_table(e).markdown() + "\n" + (has_several_devices(e) ? device_table(e).markdown() + "\n" : "") +
           sample_table(e).markdown() + "\n";
    for (const auto& lines : {std::vector<std::string>{device_line(e)}, validity_lines(e), detail_lines(e), e.warnings})
      for (const std::string& line : lines) out += "- " + printable_markdown(line) + "\n";
    out += "\n";
  }
  return out;
}

}  // namespace cotenant
