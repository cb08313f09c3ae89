#include "report/page.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/assets.h"
#include "report/colours.h"
#include "report/page_data.h"

namespace cotenant {
namespace {

// Text between tags: the title is the only place where text from the files becomes part of the markup.
std::string escape_html(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '<') {
      escaped += "&lt;";
    } else if (c == '>') {
      escaped += "&gt;";
    } else if (c == '&') {
      escaped += "&amp;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// A text of several lines, such as the configuration.
std::string printable_text(std::string_view text) {
  std::string shown;
  for (size_t end; (end = text.find('\n')) != std::string_view::npos; text.remove_prefix(end + 1))
    shown += printable(text.substr(0, end)) + '\n';
  return shown + printable(text);
}

// All texts of the page: a browser obeys what directs bidirectional text, as a terminal does.
void make_printable(nlohmann::ordered_json& value) {
  if (value.is_string()) value = printable_text(value.get_ref<const std::string&>());
  if (value.is_structured())
    for (auto& part : value) make_printable(part);
}

// Inside a script element "</script" and "<!--" would end or change it, so no '<' is left.
std::string json_for_script(const nlohmann::ordered_json& data) {
  const std::string text = printable_json(data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  std::string escaped;
  escaped.reserve(text.size());
  for (char c : text) {
    if (c == '<') {
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string colour_variables() {
  std::string css;
  for (size_t i = 0; i < tenant_colours.size(); ++i) {
    css += fmt::format("  --t{}: light-dark({}, {});\n", i, tenant_colours[i].on_light, tenant_colours[i].on_dark);
  }
  return css + "  --on-t0: light-dark(#ffffff, #0b1a26);";
}

using Replacement = std::pair<std::string_view, std::string>;

// Replaces every {{key}} of the template, once, so that what is put in is not looked at again.
std::string fill(std::string_view text, std::span<const Replacement> replacements) {
  std::string filled;
  while (true) {
    const size_t open = text.find("{{");
    if (open == std::string_view::npos) return filled.append(text);
    const size_t close = text.find("}}", open);
    const std::string_view key = text.substr(open + 2, close - open - 2);
    filled.append(text.substr(0, open));
    const Replacement* found = nullptr;
    for (const Replacement& each : replacements) {
      if (each.first == key) found = &each;
    }
    if (!found) throw internal_error("report.html", fmt::format("nothing to put in for {{{{{}}}}}", key));
    filled += found->second;
    text.remove_prefix(close + 2);
  }
}

std::string page(const std::string& title, nlohmann::ordered_json data) {
  make_printable(data);
  const std::array<Replacement, 1> colours = {{{"colours", colour_variables()}}};
  const std::array<Replacement, 5> parts = {{{"version", version()},
                                             {"title", escape_html(printable(title))},
                                             {"style", fill(assets::report_css, colours)},
                                             {"script", fmt::format("{}\n{}", assets::chart_js, assets::report_js)},
                                             {"data", json_for_script(data)}}};
  return fill(assets::report_html, parts);
}

}  // namespace

std::string experiment_page(const ExperimentAnalysis& experiment) {
  return page(experiment.name + " – cotenant", experiment_data(experiment));
}

std::string comparison_page(std::span<const ExperimentAnalysis> experiments, std::span<const std::string> links) {
  return page("Comparison – cotenant", comparison_data(experiments, links));
}

}  // namespace cotenant
