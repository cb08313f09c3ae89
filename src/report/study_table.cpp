#include "report/study_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <thread>

#include "analysis/analysis.h"
#include "base/error.h"
#include "base/path_component.h"
#include "base/text.h"
#include "report/table.h"
#include "report/text.h"
#include "results/reader.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

using Rows = std::vector<std::vector<std::string>>;

struct Analysed {
  Rows rows;
  std::string error, host, device_uuid;
};

Analysed analyse_run(const fs::path& directory) {
  try {
    AnalysisRequest request;
    request.directory = directory;
    request.search_baselines = false;  // a run's baselines are those of its group, taken on the same device
    const auto record = read_record(directory).value_or(ExperimentRecord());
    return {.rows = csv_rows(analyze_experiment(request)),
            .error = {},
            .host = record.host.hostname,
            .device_uuid = device_uuids(record)};
  } catch (const Error& error) {
    return {.rows = {}, .error = error.what(), .host = {}, .device_uuid = {}};
  }
}

// On all processors: a run takes milliseconds, and a study may have thousands.
std::map<std::string, Analysed> analyse_runs(const StudyFiles& files, const std::vector<std::string>& runs) {
  std::vector<Analysed> found(runs.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i; (i = next++) < runs.size();) found[i] = analyse_run(files.run(runs[i]));
  };
  {
    std::vector<std::jthread> threads;
    const size_t most = std::min<size_t>(runs.size(), std::max(1U, std::thread::hardware_concurrency()));
    for (size_t i = 1; i < most; ++i) threads.emplace_back(work);
    work();
  }
  std::map<std::string, Analysed> by_run;
  for (size_t i = 0; i < runs.size(); ++i) by_run[runs[i]] = std::move(found[i]);
  return by_run;
}

std::pair<std::string, std::string> key_and_value(const std::string& set) {
  const size_t equals = std::min(set.find('='), set.size());
  return {set.substr(0, equals), set.substr(std::min(equals + 1, set.size()))};
}

std::vector<std::string> keys_of(const StudyPlan& plan) {
  std::vector<std::string> keys;
  for (const StudyRun& run : plan.runs)
    for (const std::string& set : run.cell)
      if (const std::string key = key_and_value(set).first; std::ranges::find(keys, key) == keys.end())
        keys.push_back(key);
  return keys;
}

std::vector<std::string> values_of(const StudyRun& run, const std::vector<std::string>& keys) {
  std::vector<std::string> values(keys.size());
  for (const std::string& set : run.cell) {
    const auto [key, value] = key_and_value(set);
    values[static_cast<size_t>(std::ranges::find(keys, key) - keys.begin())] = value;
  }
  return values;
}

// The last parts of "tenants.0.batch_size" that no other key ends with.
std::string short_key(const std::string& key, const std::vector<std::string>& keys) {
  for (size_t dot = key.rfind('.'); dot != std::string::npos && dot > 0; dot = key.rfind('.', dot - 1)) {
    const std::string tail = key.substr(dot);
    if (std::ranges::count_if(keys, [&](const std::string& other) { return ("." + other).ends_with(tail); }) == 1)
      return tail.substr(1);
  }
  return key;
}

// The cells of figures by name.
class Figures {
 public:
  explicit Figures(const StudyTable& table) {
    for (size_t i = 0; i < table.columns.size(); ++i) index_[table.columns[i]] = i;
  }

  std::string text(const StudyTable::Row& row, const std::string& column) const {
    const auto found = index_.find(column);
    return found == index_.end() ? "" : row.figures[found->second];
  }

  std::optional<double> number(const StudyTable::Row& row, const std::string& column) const {
    const std::string cell = text(row, column);
    double value = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (cell.empty() || error != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
    return value;
  }

 private:
  std::map<std::string, size_t> index_;
};

// What distinguishes a run, for a sentence: "batch_size 8, seq_len 64", else its name.
std::string described(const StudyTable& table, const StudyTable::Row& row) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < table.keys.size(); ++i)
    if (!row.values[i].empty()) parts.push_back(short_key(table.keys[i], table.keys) + " " + row.values[i]);
  const bool several = std::ranges::any_of(
      table.rows, [&](const StudyTable::Row& other) { return other.experiment != table.rows.front().experiment; });
  if (parts.empty()) return row.run;
  return fmt::format("{}{}", several ? row.experiment + ", " : "", fmt::join(parts, ", "));
}

const StudyTable::Row* extreme(const StudyTable& table, const std::string& column, bool greatest) {
  const Figures figures(table);
  const StudyTable::Row* best = nullptr;
  double best_value = 0;
  for (const StudyTable::Row& row : table.rows) {
    const auto value = figures.number(row, column);
    if (!value || figures.text(row, "valid") == "false") continue;
    if (!best || (greatest ? *value > best_value : *value < best_value)) {
      best = &row;
      best_value = *value;
    }
  }
  return best;
}

std::vector<std::string> answer(const StudyTable& table) {
  const Figures figures(table);
  size_t invalid = 0;
  std::set<std::string> seen;
  for (const StudyTable::Row& row : table.rows)
    if (seen.insert(row.run).second && figures.text(row, "valid") == "false") ++invalid;
  std::vector<std::string> lines;
  std::string state = fmt::format("{} of {} runs are complete", table.complete, table.planned);
  if (invalid > 0) state += fmt::format(", {} of them not valid", invalid);
  if (table.failed > 0) state += fmt::format("; {} failed (cotenant status tells why)", table.failed);
  lines.push_back(state + ".");
  if (const auto* most = extreme(table, "stp", true))
    lines.push_back(fmt::format("Most work: {}: {} times that of one after another.", described(table, *most),
                                format_fixed(*figures.number(*most, "stp"), 2)));
  else if (const auto* fastest = extreme(table, "device_tokens_per_s", true))
    lines.push_back(fmt::format("Most tokens: {}: {} tokens/s.", described(table, *fastest),
                                format_count(*figures.number(*fastest, "device_tokens_per_s"))));
  if (const auto* worst = extreme(table, "slowdown_p50", true))
    lines.push_back(fmt::format("Worst slowdown: {} of {}: {}x.", figures.text(*worst, "tenant"),
                                described(table, *worst), format_fixed(*figures.number(*worst, "slowdown_p50"), 2)));
  else if (const auto* quick = extreme(table, "p50_ms", false))
    lines.push_back(fmt::format("Lowest median: {} of {}: {} ms.", figures.text(*quick, "tenant"),
                                described(table, *quick), format_ms(*figures.number(*quick, "p50_ms"))));
  return lines;
}

std::string percent(double share) {
  return fmt::format("{:+.1f}%", share * 100);
}

std::vector<std::string> chip_lines(const StudyTable& table) {
  const ChipSpread spread = chip_spread(table);
  std::vector<std::string> lines;
  if (spread.chips.size() < 2) return lines;
  lines.push_back(fmt::format("{} chips:", spread.chips.size()));
  std::map<std::string, std::set<std::string>> runs;
  for (const StudyTable::Row& row : table.rows) runs[row.device_uuid].insert(row.run);
  for (const ChipSpread::Chip& chip : spread.chips)
    lines.push_back(fmt::format("  {}  {} runs  {}", chip.name, runs[chip.name].size(),
                                chip.offset ? "median latency " + percent(*chip.offset) + " to the mean of the chips"
                                            : "measured nothing that another chip measured, too"));
  if (spread.between_chips)
    lines.push_back(fmt::format(
        "Between chips: {}, the slowest to the fastest. Between runs on one chip: {}.", percent(*spread.between_chips),
        spread.between_runs ? percent(*spread.between_runs) + " (standard deviation)" : "not known, each ran once"));
  else
    lines.push_back("How far they are apart is not known: vary seed, so that several chips measure the same.");
  return lines;
}

struct ShownColumn {
  const char *id, *title;
  std::string (*text)(double);
};

constexpr ShownColumn kShown[] = {
    {"p50_ms", "p50 ms", format_ms},
    {"p99_ms", "p99 ms", format_ms},
    {"device_tokens_per_s", "all tokens/s", format_count},
    {"slowdown_p50", "slowdown", [](double value) { return format_fixed(value, 2) + "x"; }},
    {"stp", "STP", [](double value) { return format_fixed(value, 2); }},
};

Table shown_table(const StudyTable& table) {
  const Figures figures(table);
  std::vector<ShownColumn> shown;
  for (const ShownColumn& column : kShown)
    if (std::ranges::any_of(table.rows, [&](const auto& row) { return figures.number(row, column.id).has_value(); }))
      shown.push_back(column);
  const bool named = table.keys.empty() || std::ranges::any_of(table.rows, [&](const StudyTable::Row& row) {
                       return row.experiment != table.rows.front().experiment;
                     });
  std::vector<Table::Column> columns;
  if (named) columns.push_back({table.keys.empty() ? "run" : "experiment", Align::left});
  for (const std::string& key : table.keys) columns.push_back({short_key(key, table.keys), Align::right});
  columns.push_back({"tenant", Align::left});
  for (const ShownColumn& column : shown) columns.push_back({column.title});
  columns.push_back({"valid", Align::left});
  Table text(columns);
  for (const StudyTable::Row& row : table.rows) {
    std::vector<std::string> cells;
    if (named) cells.push_back(table.keys.empty() ? row.run : row.experiment);
    cells.insert(cells.end(), row.values.begin(), row.values.end());
    cells.push_back(figures.text(row, "tenant"));
    for (const ShownColumn& column : shown) {
      const auto value = figures.number(row, column.id);
      cells.push_back(value ? column.text(*value) : "");
    }
    cells.push_back(figures.text(row, "valid") == "false" ? "NO" : "yes");
    text.add_row(std::move(cells));
  }
  return text;
}

}  // namespace

StudyTable study_table(const StudyFiles& files) {
  const StudyPlan plan = read_plan(files);
  const std::vector<std::string> names = names_in(files.directory()), failed = names_in(files.in("failed"));
  const std::set<std::string> there(names.begin(), names.end());
  StudyFigures known = read_figures(files);
  if (known.columns != csv_columns()) known = {.columns = csv_columns(), .rows = {}};
  const std::map<std::string, StudyOutcome> journal = read_journal(files);

  StudyTable table{.keys = keys_of(plan), .columns = known.columns, .rows = {}, .unreadable = {}};
  table.planned = plan.runs.size();
  table.failed = failed.size();
  std::vector<std::string> missing;
  for (const StudyRun& run : plan.runs)
    if (there.contains(run.name) && !known.rows.contains(run.name)) missing.push_back(run.name);
  std::map<std::string, Analysed> analysed = analyse_runs(files, missing);
  for (const StudyRun& run : plan.runs) {
    if (!there.contains(run.name)) continue;
    ++table.complete;
    const auto found = known.rows.find(run.name);
    Analysed now;
    if (found == known.rows.end())
      now = std::move(analysed[run.name]);
    else
      now.rows = found->second;
    if (!now.error.empty()) table.unreadable.push_back(run.name + ": " + one_line(now.error));
    if (const auto outcome = journal.find(run.name); outcome != journal.end()) {
      now.host = outcome->second.host;
      now.device_uuid = outcome->second.device_uuid;
    }
    for (std::vector<std::string>& figures : now.rows) {
      StudyTable::Row row{.run = run.name,
                          .experiment = plan.configurations[static_cast<size_t>(run.configuration)].experiment_name,
                          .values = values_of(run, table.keys),
                          .figures = std::move(figures),
                          .host = now.host,
                          .device_uuid = now.device_uuid};
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

ChipSpread chip_spread(const StudyTable& table) {
  const Figures figures(table);
  std::vector<ChipSample> samples;
  for (const StudyTable::Row& row : table.rows) {
    const auto p50 = figures.number(row, "p50_ms");
    if (row.device_uuid.empty() || !p50 || figures.text(row, "valid") == "false") continue;
    std::string group = row.experiment + "\n" + figures.text(row, "tenant");
    for (size_t i = 0; i < table.keys.size(); ++i)
      if (table.keys[i] != "seed") group += "\n" + row.values[i];
    samples.push_back({std::move(group), row.device_uuid, *p50});
  }
  return chip_spread(samples);
}

std::string study_text(const StudyTable& table, bool colour) {
  std::string text = fmt::format("{}\n", fmt::join(answer(table), "\n"));
  if (!table.rows.empty()) text += "\n" + shown_table(table).text(colour);
  if (const auto chips = chip_lines(table); !chips.empty()) text += fmt::format("\n{}\n", fmt::join(chips, "\n"));
  for (const std::string& problem : table.unreadable) text += "cannot be read: " + problem + "\n";
  return text;
}

std::string study_markdown(const StudyTable& table) {
  std::string text = fmt::format("{}\n", fmt::join(answer(table), "\n"));
  if (!table.rows.empty()) text += "\n" + shown_table(table).markdown();
  if (const auto chips = chip_lines(table); !chips.empty()) text += fmt::format("\n{}\n", fmt::join(chips, "\n"));
  return text;
}

std::string study_csv(const StudyTable& table) {
  std::vector<Table::Column> columns{{"run"}};
  for (const std::string& key : table.keys) columns.push_back({key});
  for (const std::string& column : table.columns) columns.push_back({column});
  columns.push_back({"host"});
  columns.push_back({"gpu_uuid"});
  Table csv(columns);
  for (const StudyTable::Row& row : table.rows) {
    std::vector<std::string> cells{row.run};
    cells.insert(cells.end(), row.values.begin(), row.values.end());
    cells.insert(cells.end(), row.figures.begin(), row.figures.end());
    cells.push_back(row.host);
    cells.push_back(row.device_uuid);
    csv.add_row(std::move(cells));
  }
  return csv.csv();
}

std::string study_json(const StudyTable& table) {
  const Figures figures(table);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const StudyTable::Row& row : table.rows) {
    nlohmann::ordered_json one{{"run", row.run}, {"host", row.host}, {"gpu_uuid", row.device_uuid}};
    for (size_t i = 0; i < table.keys.size(); ++i) one["varied"][table.keys[i]] = row.values[i];
    for (const std::string& column : table.columns) {
      const std::string cell = figures.text(row, column);
      const auto number = figures.number(row, column);
      one[column] = cell.empty() ? nlohmann::ordered_json()
                    : number     ? nlohmann::ordered_json(*number)
                                 : nlohmann::ordered_json(cell);
    }
    rows.push_back(std::move(one));
  }
  const ChipSpread spread = chip_spread(table);
  const auto known = [](const std::optional<double>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
  };
  nlohmann::ordered_json chips = nlohmann::ordered_json::array();
  for (const ChipSpread::Chip& chip : spread.chips)
    chips.push_back({{"gpu_uuid", chip.name}, {"samples", chip.runs}, {"offset", known(chip.offset)}});
  const nlohmann::ordered_json document{{"planned", table.planned},
                                        {"complete", table.complete},
                                        {"failed", table.failed},
                                        {"chips", chips},
                                        {"between_chips", known(spread.between_chips)},
                                        {"between_runs", known(spread.between_runs)},
                                        {"rows", std::move(rows)}};
  return document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace cotenant
