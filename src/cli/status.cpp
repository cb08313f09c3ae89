#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/printable.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cluster/status.h"
#include "report/table.h"

namespace cotenant {
namespace {

struct StatusOptions {
  std::string directory;
  bool json = false;
};

// 0: all complete; 5: some failed, and none is left; 6: some are left.
int code_of(const StudyStatus& status) {
  if (status.left > 0) return static_cast<int>(ExitCode::cannot_tell);
  return static_cast<int>(status.failed.empty() ? ExitCode::valid : ExitCode::threshold);
}

std::string running_table(const std::vector<StudyStatus::Running>& running) {
  Table table({{"running", Align::left},
               {"host", Align::left},
               {"process", Align::right},
               {"task", Align::left},
               {"device", Align::left},
               {"last sign"}});
  for (const StudyStatus::Running& one : running)
    table.add_row({one.run, one.worker.host, std::to_string(one.worker.pid), one.worker.task, one.worker.device,
                   format_duration_s(one.age_s) + " ago"});
  return table.text(colour_wanted());
}

std::string status_text(const StudyStatus& status) {
  std::string text = fmt::format("{} of {} runs complete", status.complete, status.planned);
  if (!status.failed.empty()) text += fmt::format(", {} failed", status.failed.size());
  if (status.left > 0) {
    text += fmt::format(", {} left, {} of them running", status.left, status.running.size());
    text += status.left_s ? fmt::format("; about {} to go", format_duration_s(*status.left_s))
                          : fmt::format("; {} of work, and nobody is at it", format_duration_s(status.work_s));
  }
  text += "\n";
  if (!status.again.empty())
    text += fmt::format("{} put back: invalid once, or not to be run where they were\n", status.again.size());
  if (!status.running.empty()) text += "\n" + running_table(status.running);
  for (const StudyStatus::Running& one : status.silent)
    text += fmt::format("{}: process {} on {} gives no sign since {}; the next process takes it over\n",
                        printable(one.run), one.worker.pid, printable(one.worker.host), format_duration_s(one.age_s));
  if (!status.failed.empty()) text += "\nfailed (--retry-failed tries them again):\n";
  for (const StudyOutcome& outcome : status.failed) {
    text += fmt::format("  {} on {}, exit code {}\n", printable(outcome.run), printable(outcome.host), outcome.code);
    for (const std::string& reason : outcome.reasons) text += "    " + printable(reason) + "\n";
  }
  return text;
}

nlohmann::ordered_json json_of(const std::vector<StudyStatus::Running>& list) {
  nlohmann::ordered_json array = nlohmann::ordered_json::array();
  for (const StudyStatus::Running& one : list)
    array.push_back({{"run", one.run},
                     {"host", one.worker.host},
                     {"pid", one.worker.pid},
                     {"task", one.worker.task},
                     {"device", one.worker.device},
                     {"last_sign_s", one.age_s}});
  return array;
}

std::string status_json(const StudyStatus& status) {
  nlohmann::ordered_json failed = nlohmann::ordered_json::array();
  for (const StudyOutcome& outcome : status.failed)
    failed.push_back(
        {{"run", outcome.run}, {"host", outcome.host}, {"code", outcome.code}, {"reasons", outcome.reasons}});
  const nlohmann::ordered_json document{
      {"planned", status.planned},
      {"complete", status.complete},
      {"left", status.left},
      {"run_s", status.run_s},
      {"work_s", status.work_s},
      {"left_s", status.left_s ? nlohmann::ordered_json(*status.left_s) : nlohmann::ordered_json()},
      {"running", json_of(status.running)},
      {"silent", json_of(status.silent)},
      {"again", status.again},
      {"failed", failed}};
  return document.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

void add_status(Subcommand& app, int& exit_code) {
  auto options = std::make_shared<StatusOptions>();
  Subcommand command = app.add_subcommand(
      "status", "Says how far a study is: complete, running where, failed with reasons, left, time left");
  command.add_option("directory", options->directory, "of a study").required().type_name("DIR");
  command.add_flag("--json", options->json, "One JSON object");
  command.footer("Exit code 0: all runs are complete; 5: some failed and none is left; 6: some are left.");
  command.callback([options, &exit_code] {
    const StudyStatus status = study_status(StudyFiles(options->directory));
    print_all(options->json ? status_json(status) : status_text(status));
    exit_code = code_of(status);
  });
}

}  // namespace cotenant
