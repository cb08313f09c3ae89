#include "report/compare_text.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "base/text.h"
#include "report/json_value.h"
#include "report/table.h"
#include "report/text.h"

namespace cotenant {
namespace {

std::string percent(double share) {
  return fmt::format("{}{}%", share < 0 ? "" : "+", format_fixed(100 * share, 2));
}

Json interval(const std::optional<Interval>& value) {
  return value ? Json::array({number(value->low), number(value->high)}) : Json();
}

Json figure(const FigureChange& change) {
  return {{"before", number(change.before)},
          {"after", number(change.after)},
          {"shift", number(change.shift)},
          {"ci95", interval(change.interval)},
          {"p", number(change.p_hochberg)}};
}

}  // namespace

std::string comparison_table(const Comparison& comparison, bool colour) {
  Table table({{"tenant", Align::left},
               {"before ms"},
               {"after ms"},
               {"shift"},
               {"mean"},
               {"rate"},
               {"95% interval", Align::left},
               {"from", Align::left},
               {"Cliff's delta"},
               {"", Align::left},
               {"because", Align::left}});
  for (const TenantComparison& t : comparison.tenants)
    table.add_row({t.name, format_ms(t.median.before), format_ms(t.median.after), percent(t.median.shift),
                   percent(t.mean.shift), percent(t.rate.shift),
                   t.interval ? fmt::format("[{}, {}]", percent(t.interval->low), percent(t.interval->high)) : "-",
                   t.interval_from, fmt::format("{:+.2f}", t.cliffs_delta), std::string(to_string(t.change)),
                   t.reason});
  std::string out = fmt::format("{} of {} against {}\n\n", unit_title(comparison.metric), printable(comparison.after),
                                printable(comparison.before));
  out += table.text(colour, "  ") + "\n";
  if (comparison.tokens_per_s_before && comparison.tokens_per_s_after)
    out += fmt::format("device {} tokens/s before, {} after ({})\n", format_count(*comparison.tokens_per_s_before),
                       format_count(*comparison.tokens_per_s_after),
                       percent(*comparison.tokens_per_s_after / *comparison.tokens_per_s_before - 1));
  out +=
      fmt::format("shifts of the median, the mean and the requests per second; one below {:.3g}% is not worth naming\n",
                  100 * comparison.min_effect);
  for (const std::string& warning : comparison.warnings) out += "warning: " + printable(warning) + "\n";
  return out;
}

nlohmann::ordered_json comparison_json(const Comparison& comparison) {
  Json tenants = Json::array();
  for (const TenantComparison& t : comparison.tenants)
    tenants.push_back({{"name", t.name},
                       {"change", to_string(t.change)},
                       {"reason", t.reason},
                       {"before_ms", number(t.median.before)},
                       {"after_ms", number(t.median.after)},
                       {"shift", number(t.median.shift)},
                       {"ci95", interval(t.interval)},
                       {"ci95_from", t.interval ? Json(t.interval_from) : Json()},
                       {"p", number(t.p_hochberg)},
                       {"p_median", number(t.median.p_hochberg)},
                       {"mean_ms", figure(t.mean)},
                       {"requests_per_s", figure(t.rate)},
                       {"cliffs_delta", number(t.cliffs_delta)},
                       {"cohens_d", number(t.cohens_d)}});
  const auto optional = [](const std::optional<double>& value) { return value ? number(*value) : Json(); };
  return {{"before", comparison.before},
          {"after", comparison.after},
          {"metric", to_string(comparison.metric)},
          {"min_effect", comparison.min_effect},
          {"tenants", tenants},
          {"device",
           {{"tokens_per_s_before", optional(comparison.tokens_per_s_before)},
            {"tokens_per_s_after", optional(comparison.tokens_per_s_after)}}},
          {"warnings", comparison.warnings},
          {"open_questions", open_questions(comparison)}};
}

}  // namespace cotenant
