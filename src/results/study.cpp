#include "results/study.h"

#include <dirent.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/input_file.h"
#include "base/line_reader.h"
#include "base/open_file.h"
#include "base/path_component.h"
#include "results/json_fields.h"
#include "results/place.h"

namespace cotenant {

namespace fs = std::filesystem;

template <class Visitor>
void fields(Visitor& visit, StudyConfiguration& r) {
  visit("file", r.file);
  visit("experiment_name", r.experiment_name);
  visit("set", r.set);
  visit("text", r.text);
}

template <class Visitor>
void fields(Visitor& visit, StudyRun& r) {
  visit("name", r.name);
  visit("configuration", r.configuration);
  visit("cell", r.cell);
  visit("suffix", r.suffix);
  visit("estimate_s", r.estimate_s);
}

template <class Visitor>
void fields(Visitor& visit, StudyPlan& r) {
  visit("format", r.format);
  visit("directory", r.directory);
  visit("command", r.command);
  visit("baselines", r.baselines);
  visit("strict", r.strict);
  visit("repeats", r.repeats);
  visit("sleep_s", r.sleep_s);
  visit("deadline_s", r.deadline_s);
  visit("configurations", r.configurations);
  visit("runs", r.runs);
}

template <class Visitor>
void fields(Visitor& visit, StudyWorker& r) {
  visit("name", r.name);
  visit("host", r.host);
  visit("pid", r.pid);
  visit("task", r.task);
  visit("device", r.device);
  visit("lease_s", r.lease_s);
}

template <class Visitor>
void fields(Visitor& visit, StudyOutcome& r) {
  visit("run", r.run);
  visit("worker", r.worker);
  visit("host", r.host);
  visit("code", r.code);
  visit("device_uuid", r.device_uuid);
  visit("device", r.device);
  visit("seconds", r.seconds);
  visit("ended_s", r.ended_s);
  visit("reasons", r.reasons);
}

namespace {

constexpr size_t kLargestPlan = size_t{1} << 28;
constexpr size_t kLargestMark = size_t{1} << 20;

// A line of figures: the columns of what follows, or a run's rows.
struct FiguresLine {
  std::vector<std::string> columns;
  std::string run;
  std::vector<std::vector<std::string>> rows;
};

template <class Visitor>
void fields(Visitor& visit, FiguresLine& r) {
  visit("columns", r.columns);
  visit("run", r.run);
  visit("rows", r.rows);
}

template <class T>
std::optional<T> read_mark(const fs::path& file) {
  try {
    return fields_from_json<T>(read_file(file, kLargestMark), file.string());
  } catch (const Error&) {
    return std::nullopt;
  }
}

template <class T, class Use>
void read_lines(const fs::path& directory, const Use& use) {
  std::vector<std::string> names = names_in(directory);
  std::ranges::sort(names);
  for (const std::string& name : names) {
    try {
      LineReader lines(directory / name);
      while (const auto line = lines.next()) {
        if (!lines.has_newline()) break;  // it is being written, or its writer was killed
        use(fields_from_json<T>(*line, lines.where()));
      }
    } catch (const Error&) {  // what follows a broken line is not known, as if it had not been written
    }
  }
}

}  // namespace

StudyFiles::StudyFiles(const fs::path& directory) : directory_(checked_path(directory)) {}

bool is_study(const fs::path& directory) {
  return is_real_file(directory / ".study" / "plan.json");
}

std::string to_json(const StudyPlan& plan) {
  return fields_to_json(plan, 1) + "\n";
}

std::string to_json(const StudyWorker& worker) {
  return fields_to_json(worker) + "\n";
}

std::string to_json(const StudyOutcome& outcome) {
  return fields_to_json(outcome) + "\n";
}

std::string columns_line(const std::vector<std::string>& columns) {
  return nlohmann::ordered_json{{"columns", columns}}.dump() + "\n";
}

std::string rows_line(const std::string& run, const std::vector<std::vector<std::string>>& rows) {
  return nlohmann::ordered_json{{"run", run}, {"rows", rows}}.dump(-1, ' ', false,
                                                                   nlohmann::json::error_handler_t::replace) +
         "\n";
}

StudyPlan read_plan(const StudyFiles& files) {
  const std::string where = files.plan().string();
  if (!is_study(files.directory()))
    throw usage_error(
        files.directory().string(), "is no study: there is no .study/plan.json in it",
        "Begin one with `cotenant run CONFIG... --study DIR`. On several hosts, see that all of them have "
        "the same directory under that name.");
  const auto plan = fields_from_json<StudyPlan>(read_file(files.plan(), kLargestPlan), where);
  if (plan.format > StudyPlan().format)
    throw usage_error(where, fmt::format("its format is {}, this program knows {}", plan.format, StudyPlan().format),
                      "Use the version of cotenant that wrote it, or a later one.");
  for (const StudyRun& run : plan.runs)
    if (!is_path_component(run.name) || run.configuration < 0 || run.configuration >= std::ssize(plan.configurations))
      throw usage_error(where, fmt::format("\"{}\" is no run of it", run.name),
                        "Somebody has changed the file: do not use it.");
  return plan;
}

std::optional<StudyWorker> read_worker(const fs::path& file) {
  return read_mark<StudyWorker>(file);
}

std::optional<StudyOutcome> read_outcome(const fs::path& file) {
  return read_mark<StudyOutcome>(file);
}

std::map<std::string, StudyOutcome> read_journal(const StudyFiles& files) {
  std::map<std::string, StudyOutcome> outcomes;
  read_lines<StudyOutcome>(files.in("journal"), [&](StudyOutcome outcome) {
    StudyOutcome& latest = outcomes[outcome.run];
    if (latest.run.empty() || latest.ended_s <= outcome.ended_s) latest = std::move(outcome);
  });
  return outcomes;
}

StudyFigures read_figures(const StudyFiles& files) {
  StudyFigures figures;
  bool usable = false;  // of the file's columns: another version of the program may have had others
  read_lines<FiguresLine>(files.in("figures"), [&](FiguresLine line) {
    if (!line.columns.empty()) {
      if (figures.columns.empty()) figures.columns = line.columns;
      usable = figures.columns == line.columns;
    } else if (usable &&
               std::ranges::all_of(line.rows, [&](const auto& row) { return row.size() == figures.columns.size(); })) {
      figures.rows[line.run] = std::move(line.rows);
    }
  });
  return figures;
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(directory.c_str()), [](DIR* d) { return ::closedir(d); });
  if (!open) return names;
  while (const dirent* entry = ::readdir(open.get()))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
  return names;
}

}  // namespace cotenant
