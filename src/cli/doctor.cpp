#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/printable.h"
#include "base/version.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "driver/checkup.h"
#include "report/json_value.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

std::string findings_text(const std::vector<Finding>& findings) {
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.name.size());
  std::string text, group;
  for (const Finding& finding : findings) {
    if (finding.group != group) text += fmt::format("{}{}\n", group.empty() ? "" : "\n", finding.group);
    group = finding.group;
    const char* mark = finding.state == Finding::State::good      ? "+"
                       : finding.state == Finding::State::limited ? "~"
                                                                  : "-";
    text += fmt::format("  {} {:<{}}  {}\n", mark, finding.name, width, printable(finding.found));
    if (!finding.remedy.empty()) text += fmt::format("    {:<{}}  {}\n", "", width, printable(finding.remedy));
  }
  return text + "\n+ good   ~ limited   - missing\n";
}

}  // namespace

void add_doctor(Subcommand& app, int&) {
  Subcommand command = app.add_subcommand("doctor", "Says what this machine can do, and what to install for the rest");
  const auto json = std::make_shared<bool>(false);
  command.add_flag("--json", *json, "Print JSON");
  command.callback([json] {
    be_no_mps_client();
    const std::vector<Finding> findings = check_machine();
    print_all(*json ? text_of(findings_json(findings))
                    : fmt::format("cotenant {} ({}, {}, {})\n\n{}", version(), git_commit(), compiler(), build_type(),
                                  findings_text(findings)));
  });
}

}  // namespace cotenant
