#include "report/table.h"

#include <algorithm>

#include "base/error.h"
#include "base/printable.h"

namespace cotenant {
namespace {

constexpr size_t kWidest = 100;

size_t code_points(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string padded(const std::string& cell, size_t width, Align align) {
  const std::string blanks(width - std::min(width, code_points(cell)), ' ');
  return align == Align::right ? blanks + cell : cell + blanks;
}

void trim_right(std::string& line) {
  line.erase(line.find_last_not_of(' ') + 1);
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (Column& column : columns_) column.title = printable(column.title);
}

void Table::add_row(std::vector<std::string> cells) {
  if (cells.size() != columns_.size()) throw internal_error("Table", "a row has another number of cells");
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool bold_titles, std::string_view indent) const {
  std::vector<size_t> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    widths.push_back(code_points(shortened(columns_[c].title, kWidest)));
    for (const auto& row : rows_) widths[c] = std::max(widths[c], code_points(shortened(row[c], kWidest)));
  }
  const auto line = [&](auto cell_of) {
    std::string out;
    for (size_t c = 0; c < columns_.size(); ++c)
      out += (c == 0 ? "" : "  ") + padded(shortened(cell_of(c), kWidest), widths[c], columns_[c].align);
    trim_right(out);
    return out;
  };
  const std::string titles = line([&](size_t c) { return columns_[c].title; });
  std::string out(indent);
  out += bold_titles ? "\033[1m" + titles + "\033[0m\n" : titles + "\n";
  for (const auto& row : rows_) out += std::string(indent) + line([&](size_t c) { return row[c]; }) + "\n";
  return out;
}

std::string Table::markdown() const {
  std::string out = "|", rule = "|";
  for (const Column& column : columns_) {
    out += " " + printable_markdown(column.title) + " |";
    rule += column.align == Align::right ? "---:|" : "---|";
  }
  out += "\n" + rule + "\n";
  for (const auto& row : rows_) {
    out += "|";
    for (const std::string& cell : row) out += " " + printable_markdown(cell) + " |";
    out += "\n";
  }
  return out;
}

std::string Table::csv() const {
  std::string out;
  for (size_t c = 0; c < columns_.size(); ++c) out += (c == 0 ? "" : ",") + printable_csv(columns_[c].title);
  out += "\n";
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) out += (c == 0 ? "" : ",") + printable_csv(row[c]);
    out += "\n";
  }
  return out;
}

}  // namespace cotenant
