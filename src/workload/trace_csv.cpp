#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "workload/trace_line.h"

namespace cotenant {
namespace {

constexpr size_t kMostColumns = 1000;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == text.npos ? std::string_view() : text.substr(first, last - first + 1);
}

// Takes the first field off a line (RFC 4180, without line breaks in quotes). What stands between quotes is handed out
// as it is; a doubled quote in it does not matter here.
std::string_view take_field(std::string_view& rest) {
  size_t end = 0;
  if (rest.starts_with('"'))
    for (end = 1; end < rest.size() && !(rest[end] == '"' && rest.substr(end + 1, 1) != "\""); ++end)
      if (rest[end] == '"') ++end;
  end = std::min(rest.find(',', std::min(end, rest.size())), rest.size());
  std::string_view field = trimmed(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  if (field.size() >= 2 && field.front() == '"' && field.back() == '"')
    field = trimmed(field.substr(1, field.size() - 2));
  return field;
}

class CsvLines : public TraceLines {
 public:
  explicit CsvLines(std::string_view header) {
    bool mooncakes = false;
    for (std::string_view rest = header; !rest.empty() && columns_.size() < kMostColumns;) {
      const std::string_view name = take_field(rest);
      const TraceName known = trace_name(name);
      mooncakes = mooncakes || known.mooncakes;
      columns_.push_back({known, std::string(name)});
      if (known.role == TraceRole::none) continue;
      auto& at = place(known.role);
      if (at) throw BadTraceLine{fmt::format("its header names \"{}\" and \"{}\"", columns_[*at].name, name)};
      at = columns_.size() - 1;
    }
    if (!instant_ || !prompt_)
      throw BadTraceLine{fmt::format("its header names no {}", instant_ ? "tokens of the prompt" : "timestamp")};
    TraceName& instant = columns_[*instant_].known;
    if (instant.plain && mooncakes) instant.digits = 6;
    has_answers_ = answer_.has_value();
    last_ = std::max({*instant_, *prompt_, answer_.value_or(0)});
  }

  TraceRequest read(std::string_view line) override {
    TraceRequest request;
    for (size_t i = 0; i <= last_; ++i) {
      if (line.empty()) throw BadTraceLine{fmt::format("it has no \"{}\"", first_missing(i))};
      const std::string_view field = take_field(line);
      const Column& column = columns_[i];
      if (column.known.role == TraceRole::none) continue;
      if (field.empty()) throw BadTraceLine{fmt::format("it has no \"{}\"", column.name)};
      if (column.known.role == TraceRole::instant)
        request.at_ns = trace_instant_ns(field, column.known.digits);
      else
        (column.known.role == TraceRole::prompt ? request.prompt : request.answer) = trace_tokens(field, column.name);
    }
    return request;
  }

 private:
  struct Column {
    TraceName known;
    std::string name;
  };
  std::optional<size_t>& place(TraceRole role) {
    return role == TraceRole::instant ? instant_ : role == TraceRole::prompt ? prompt_ : answer_;
  }
  // Of those that are needed, from column i on.
  const std::string& first_missing(size_t i) const {
    while (columns_[i].known.role == TraceRole::none) ++i;
    return columns_[i].name;
  }

  std::vector<Column> columns_;
  std::optional<size_t> instant_, prompt_, answer_;
  size_t last_ = 0;  // of the columns that are needed
};

}  // namespace

std::unique_ptr<TraceLines> csv_trace_lines(std::string_view header) {
  return std::make_unique<CsvLines>(header);
}

}  // namespace cotenant
