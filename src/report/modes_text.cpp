#include "report/modes_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/printable.h"
#include "base/text.h"
#include "report/answer.h"
#include "report/charts.h"
#include "report/compare_chart.h"
#include "report/json_value.h"
#include "report/table.h"
#include "report/text.h"

namespace cotenant {
namespace {

constexpr const char* unknown = "-";

std::string times(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{}x", format_fixed(*ratio, 2)) : unknown;
}

std::optional<double> against(const ExperimentAnalysis& run, const ExperimentAnalysis& first) {
  if (!run.device.tokens_per_s || !first.device.tokens_per_s) return std::nullopt;
  return *run.device.tokens_per_s / *first.device.tokens_per_s;
}

std::string worst_text(const ExperimentAnalysis& run) {
  const auto worst = worst_slowdown(run);
  if (!worst) return unknown;
  const TenantAnalysis& tenant = run.tenants[worst->tenant];
  return fmt::format("{}x {}", format_fixed(worst->slowdown, 2), tenant.name);
}

// The mean SM clock, and how it was alone: tenants have baselines of different clocks, so their mean ratio.
std::string clock_text(const ExperimentAnalysis& run) {
  if (!run.device.sm_clock_mhz) return unknown;
  double sum = 0;
  int count = 0;
  for (const TenantAnalysis& tenant : run.tenants)
    if (tenant.clock_ratio) sum += *tenant.clock_ratio, ++count;
  return fmt::format("{}{}", format_fixed(*run.device.sm_clock_mhz, 0),
                     count > 0 ? fmt::format(" ({}x)", format_fixed(sum / count, 2)) : "");
}

Table device_table(std::span<const ExperimentAnalysis> runs) {
  Table table({{"run", Align::left},
               {"sharing", Align::left},
               {"tokens/s"},
               {"of the first"},
               {"one after another"},
               {"STP"},
               {"ANTT"},
               {"worst slowdown"},
               {"Jain"},
               {"SM clock"},
               {"valid", Align::left}});
  for (const ExperimentAnalysis& run : runs) {
    const auto& tokens = run.device.tokens_per_s;
    const auto& in_turn = run.device.tokens_per_s_alone_in_turn;
    const auto jain = jain_of(run);
    table.add_row({run.name, run.sharing.empty() ? unknown : run.sharing, tokens ? format_count(*tokens) : unknown,
                   times(against(run, runs.front())), in_turn ? format_count(*in_turn) : unknown,
                   run.stp ? format_fixed(*run.stp, 3) : unknown, run.antt ? format_fixed(*run.antt, 3) : unknown,
                   worst_text(run), jain ? format_fixed(*jain, 4) : unknown, clock_text(run),
                   run.valid ? (*run.valid ? "yes" : "no") : unknown});
  }
  return table;
}

template <class Tenant>
const Tenant* named(const std::vector<Tenant>& tenants, const std::string& name) {
  const auto found = std::ranges::find(tenants, name, &Tenant::name);
  return found == tenants.end() ? nullptr : &*found;
}

// "4.653 (1.52x) FASTER": median, slowdown against alone, change against the first run.
std::string cell_of(const ExperimentAnalysis& run, const std::string& name, const Comparison* against_first) {
  const TenantAnalysis* tenant = named(run.tenants, name);
  const Summary* metric = tenant ? summary_of(*tenant, run.metric) : nullptr;
  if (!metric || metric->count == 0) return unknown;
  std::string text = format_ms(metric->p50);
  if (tenant->slowdown_p50) text += " (" + times(tenant->slowdown_p50) + ")";
  const TenantComparison* change = against_first ? named(against_first->tenants, name) : nullptr;
  return change ? fmt::format("{} {}", text, to_string(change->change)) : text;
}

Table tenant_table(std::span<const ExperimentAnalysis> runs, std::span<const Comparison> against_first) {
  std::vector<Table::Column> columns{{"tenant", Align::left}};
  std::vector<std::string> names;
  for (const ExperimentAnalysis& run : runs) {
    columns.push_back({run.name, Align::left});
    for (const TenantAnalysis& tenant : run.tenants)
      if (std::ranges::find(names, tenant.name) == names.end()) names.push_back(tenant.name);
  }
  Table table(columns);
  for (const std::string& name : names) {
    std::vector<std::string> row{name};
    for (size_t r = 0; r < runs.size(); ++r) {
      const bool compared = r > 0 && r - 1 < against_first.size();
      row.push_back(cell_of(runs[r], name, compared ? &against_first[r - 1] : nullptr));
    }
    table.add_row(std::move(row));
  }
  return table;
}

// Which side of 1 its STP is on: 1 above, -1 below, 0 where its interval holds 1 or, without one, it is within 2%.
int side_of_one(const ExperimentAnalysis& run) {
  const Interval sure = run.stp_interval.value_or(Interval{*run.stp / 1.02, *run.stp * 1.02});
  return sure.low > 1 ? 1 : sure.high < 1 ? -1 : 0;
}

// Co-locating pays where STP is above 1: the tenants together do more than one after another.
std::string pays_text(std::span<const ExperimentAnalysis> runs) {
  std::vector<std::string> better, same, worse;
  for (const ExperimentAnalysis& run : runs) {
    if (run.stp) {
      const int side = side_of_one(run);
      (side > 0   ? better
       : side < 0 ? worse
                  : same)
          .push_back(fmt::format("{} (STP {})", run.name, format_fixed(*run.stp, 3)));
    }
  }
  std::string text;
  const auto names = [](const std::vector<std::string>& runs) {
    return printable(fmt::format("{}", fmt::join(runs, ", ")));
  };
  if (!better.empty()) text += fmt::format("more work than one after another: {}\n", names(better));
  if (!same.empty()) text += fmt::format("as much work as one after another: {}\n", names(same));
  if (!worse.empty()) text += fmt::format("less work than one after another: {}\n", names(worse));
  if (text.empty()) text = "whether it is better than one after another is unknown: run with --baselines\n";
  return text;
}

}  // namespace

std::string modes_text(std::span<const ExperimentAnalysis> runs, std::span<const Comparison> against_first,
                       bool colour) {
  if (runs.empty()) return "";
  const std::string found = found_baselines(runs);
  std::string out = found.empty() ? "" : printable(found) + "\n\n";
  out += device_table(runs).text(colour, "  ") + "\n" + pays_text(runs) + "\n";
  out += fmt::format("median {} of each tenant, and its slowdown\n\n", unit_title(runs.front().metric));
  return out + tenant_table(runs, against_first).text(colour, "  ");
}

nlohmann::ordered_json modes_json(std::span<const ExperimentAnalysis> runs) {
  Json list = Json::array();
  for (const ExperimentAnalysis& run : runs) {
    Json tenants = Json::array();
    for (const TenantAnalysis& tenant : run.tenants) {
      const Summary* metric = summary_of(tenant, run.metric);
      tenants.push_back({{"name", tenant.name},
                         {"p50_ms", metric && metric->count > 0 ? number(metric->p50) : Json()},
                         {"slowdown_p50", number(tenant.slowdown_p50)},
                         {"clock_ratio", number(tenant.clock_ratio)},
                         {"progress", number(tenant.progress)}});
    }
    list.push_back({{"name", run.name},
                    {"sharing", run.sharing},
                    {"valid", run.valid ? Json(*run.valid) : Json()},
                    {"tokens_per_s", number(run.device.tokens_per_s)},
                    {"tokens_per_s_of_first", number(against(run, runs.front()))},
                    {"tokens_per_s_alone_in_turn", number(run.device.tokens_per_s_alone_in_turn)},
                    {"stp", number(run.stp)},
                    {"antt", number(run.antt)},
                    {"jain", number(jain_of(run))},
                    {"sm_clock_mhz", number(run.device.sm_clock_mhz)},
                    {"tenants", tenants}});
  }
  return list;
}

}  // namespace cotenant
