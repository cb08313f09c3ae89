#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cotenant {

enum class Align : unsigned char { left, right };

// A table of text for the terminal, as Markdown, or as CSV; texts may be anybody's. Columns are as wide as their widest
// cell, counted in code points.
class Table {
 public:
  struct Column {
    std::string title;
    Align align = Align::right;
  };

  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns.
  void add_row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }

  // Two spaces between columns; cells of more than 100 code points are cut. Bold titles are for terminals.
  std::string text(bool bold_titles, std::string_view indent = "") const;
  std::string markdown() const;
  std::string csv() const;  // with a line of titles

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cotenant
