#include "report/sensitivity_text.h"

#include <fmt/format.h>

#include <vector>

#include "base/printable.h"
#include "base/text.h"
#include "report/table.h"

namespace cotenant {
namespace {

std::string title_of(const SensitivityTable& table) {
  std::string title =
      fmt::format("p50 slowdown of {} ({}, {}x{}", table.tenant, table.model, table.batch_size, table.seq_len);
  if (!table.sharing.empty()) title += ", " + table.sharing;
  return title + ") by stress kind and intensity";
}

Table layout(const SensitivityTable& sensitivity) {
  std::vector<Table::Column> columns{{"stress", Align::left}};
  for (const double intensity : sensitivity.intensities) columns.push_back({fmt::format("{:g}", intensity)});
  Table table(columns);
  for (size_t kind = 0; kind < sensitivity.kinds.size(); ++kind) {
    std::vector<std::string> row{sensitivity.kinds[kind]};
    for (const auto& slowdown : sensitivity.slowdown_p50[kind])
      row.push_back(slowdown ? fmt::format("{}x", format_fixed(*slowdown, 2)) : "-");
    table.add_row(std::move(row));
  }
  return table;
}

}  // namespace

std::string sensitivity_text(std::span<const SensitivityTable> tables, bool colour) {
  std::string text;
  for (const SensitivityTable& table : tables) {
    if (!text.empty()) text += "\n";
    const std::string title = printable(title_of(table));
    text += (colour ? fmt::format("\033[1m{}\033[0m", title) : title) + "\n\n" + layout(table).text(colour, "  ");
  }
  return text;
}

std::string sensitivity_markdown(std::span<const SensitivityTable> tables) {
  std::string text;
  for (const SensitivityTable& table : tables)
    text += "## " + printable_markdown(title_of(table)) + "\n\n" + layout(table).markdown() + "\n";
  return text;
}

}  // namespace cotenant
