#include "report/profile_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/printable.h"
#include "base/text.h"
#include "report/json_value.h"
#include "report/table.h"

namespace cotenant {
namespace {

constexpr size_t kNameWidth = 56;

// "350 ns", "12.5 us", "3.25 ms", "1.5 s"
std::string time_text(double s) {
  if (s < 1e-6) return fmt::format("{} ns", format_fixed(s * 1e9, 0));
  if (s < 1e-3) return fmt::format("{:.4g} us", s * 1e6);
  if (s < 1) return fmt::format("{:.4g} ms", s * 1e3);
  return fmt::format("{:.4g} s", s);
}

std::string bin_name(const GapBin& bin) {
  if (!std::isfinite(bin.below_s)) return fmt::format("{} and more", time_text(bin.from_s));
  return fmt::format("below {}", time_text(bin.below_s));
}

std::string kernels_table(const ProfiledTenant& tenant, size_t top, bool colour) {
  Table table({{"time %"},
               {"total ms"},
               {"instances"},
               {"mean us"},
               {"median us"},
               {"min us"},
               {"max us"},
               {"std us"},
               {"name", Align::left}});
  for (size_t i = 0; i < std::min(top, tenant.kernels.size()); ++i) {
    const KernelSummary& k = tenant.kernels[i];
    table.add_row({format_fixed(k.share_percent, 1), format_fixed(k.total_ms, 3), fmt::format("{}", k.instances),
                   format_fixed(k.mean_us, 2), format_fixed(k.median_us, 2), format_fixed(k.min_us, 2),
                   format_fixed(k.max_us, 2), format_fixed(k.std_us, 2),
                   printable(short_kernel_name(k.name, kNameWidth))});
  }
  std::string text = table.text(colour, "  ");
  if (tenant.kernels.size() > top) text += fmt::format("  and {} more names\n", tenant.kernels.size() - top);
  return text;
}

std::string gaps_table(const IdleGaps& gaps, bool colour) {
  Table table({{"idle gaps", Align::left}, {"count"}, {"total"}});
  for (const GapBin& bin : gaps.histogram)
    table.add_row({bin_name(bin), fmt::format("{}", bin.count), time_text(bin.total_s)});
  return table.text(colour, "  ");
}

Json kernel_json(const KernelSummary& k) {
  return {{"name", k.name},
          {"kind", to_string(k.kind)},
          {"share_percent", number(k.share_percent)},
          {"total_ms", number(k.total_ms)},
          {"instances", k.instances},
          {"mean_us", number(k.mean_us)},
          {"median_us", number(k.median_us)},
          {"min_us", number(k.min_us)},
          {"max_us", number(k.max_us)},
          {"std_us", number(k.std_us)}};
}

Json gaps_json(const IdleGaps& gaps) {
  Json histogram = Json::array();
  for (const GapBin& bin : gaps.histogram)
    histogram.push_back({{"from_s", number(bin.from_s)},
                         {"below_s", number(bin.below_s)},
                         {"count", bin.count},
                         {"total_s", number(bin.total_s)}});
  return {{"count", gaps.count},
          {"total_s", number(gaps.total_s)},
          {"longest_s", number(gaps.longest_s)},
          {"histogram", histogram}};
}

// Where the argument list begins: at the parenthesis that the last one closes.
size_t arguments_at(const std::string& name) {
  if (name.empty() || name.back() != ')') return name.size();
  int depth = 0;
  for (size_t i = name.size(); i-- > 0;) {
    if (name[i] == ')') ++depth;
    if (name[i] == '(' && --depth == 0) return i;
  }
  return name.size();
}

}  // namespace

std::string short_kernel_name(const std::string& name, size_t width) {
  std::string text = name.substr(0, arguments_at(name));
  if (text.starts_with("void ")) text.erase(0, 5);
  if (text.empty()) text = name;
  if (text.size() <= width) return text;
  const size_t tail = (width - 3) / 3, head = width - 3 - tail;
  return text.substr(0, head) + "..." + text.substr(text.size() - tail);
}

std::string profile_text(const ProfileAnalysis& p, size_t top, bool colour) {
  std::string text = fmt::format(
      "{}: kernels{}{} in a window of {}\n", printable(p.name), p.device.empty() ? "" : " on " + printable(p.device),
      p.sharing.empty() ? "" : ", " + p.sharing + ",", format_duration_s(p.window.length_s()));
  text += "A profiled run: its latencies are inflated. Measure with cotenant run.\n";
  for (const ProfiledTenant& tenant : p.tenants) {
    text += fmt::format("\n{}: a kernel on the device {}% of the time\n", printable(tenant.name),
                        format_fixed(p.percent(tenant.busy_s), 1));
    if (!tenant.kernels.empty()) text += kernels_table(tenant, top, colour);
  }
  text += fmt::format("\ndevice: busy {}% of the time", format_fixed(p.percent(p.busy_s), 1));
  if (p.tenants.size() > 1)
    text += fmt::format(", with kernels of several tenants at once {}%", format_fixed(p.percent(p.several_s), 1));
  text += fmt::format("; {} idle gaps, {} in all, the longest {}\n", p.gaps.count, time_text(p.gaps.total_s),
                      time_text(p.gaps.longest_s));
  text += gaps_table(p.gaps, colour);
  for (const std::string& warning : p.warnings) text += "warning: " + printable(warning) + "\n";
  return text;
}

std::string profile_json(const ProfileAnalysis& p) {
  Json tenants = Json::array();
  for (const ProfiledTenant& tenant : p.tenants) {
    Json kernels = Json::array();
    for (const KernelSummary& kernel : tenant.kernels) kernels.push_back(kernel_json(kernel));
    tenants.push_back({{"name", tenant.name},
                       {"busy_s", number(tenant.busy_s)},
                       {"busy_percent", number(p.percent(tenant.busy_s))},
                       {"missing", tenant.missing},
                       {"problem", tenant.problem},
                       {"kernels", kernels}});
  }
  const Json json = {{"name", p.name},
                     {"directory", p.directory.string()},
                     {"profiled", true},
                     {"device", p.device},
                     {"sharing", p.sharing},
                     {"window_s", {number(p.window.start_s), number(p.window.end_s)}},
                     {"busy_s", number(p.busy_s)},
                     {"busy_percent", number(p.percent(p.busy_s))},
                     {"several_tenants_s", number(p.several_s)},
                     {"several_tenants_percent", number(p.percent(p.several_s))},
                     {"idle_gaps", gaps_json(p.gaps)},
                     {"tenants", tenants},
                     {"warnings", p.warnings}};
  return text_of(json);
}

std::string profile_csv(const ProfileAnalysis& p) {
  Table table({{"tenant"},
               {"kind"},
               {"name"},
               {"share_percent"},
               {"total_ms"},
               {"instances"},
               {"mean_us"},
               {"median_us"},
               {"min_us"},
               {"max_us"},
               {"std_us"}});
  for (const ProfiledTenant& tenant : p.tenants)
    for (const KernelSummary& k : tenant.kernels)
      table.add_row({tenant.name, std::string(to_string(k.kind)), k.name, fmt::format("{}", k.share_percent),
                     fmt::format("{}", k.total_ms), fmt::format("{}", k.instances), fmt::format("{}", k.mean_us),
                     fmt::format("{}", k.median_us), fmt::format("{}", k.min_us), fmt::format("{}", k.max_us),
                     fmt::format("{}", k.std_us)});
  return table.csv();
}

}  // namespace cotenant
