#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/version.h"
#include "cli/commands.h"
#include "driver/checkup.h"
#include "sharing/mps.h"

namespace cotenant {
namespace {

void print_findings(const std::vector<Finding>& findings) {
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.name.size());
  std::string group;
  for (const Finding& finding : findings) {
    if (finding.group != group) fmt::print("{}{}\n", group.empty() ? "" : "\n", finding.group);
    group = finding.group;
    const char* mark = finding.state == Finding::State::good      ? "+"
                       : finding.state == Finding::State::limited ? "~"
                                                                  : "-";
    fmt::print("  {} {:<{}}  {}\n", mark, finding.name, width, finding.found);
    if (!finding.remedy.empty()) fmt::print("    {:<{}}  {}\n", "", width, finding.remedy);
  }
  fmt::print("\n+ good   ~ limited   - missing\n");
}

}  // namespace

void add_doctor(CLI::App& app, int&) {
  CLI::App* command = app.add_subcommand("doctor", "Say what this machine can do, and what to install for the rest");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print JSON");
  command->callback([json] {
    be_no_mps_client();
    const std::vector<Finding> findings = check_machine();
    if (*json) {
      fmt::print("{}\n", findings_json(findings).dump(2));
    } else {
      fmt::print("cotenant {} ({}, {}, {})\n\n", version(), git_commit(), compiler(), build_type());
      print_findings(findings);
    }
  });
}

}  // namespace cotenant
