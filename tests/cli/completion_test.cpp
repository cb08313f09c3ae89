#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "cli/program.h"

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What bash offers behind "cotenant <typed>", the last word of which is unfinished.
std::vector<std::string> offered(const std::string& typed) {
  const Outcome outcome = run_cotenant(
      "completion bash >completion.sh && bash -c 'source ./completion.sh; COMP_WORDS=(cotenant $*); "
      "[[ $1 == *\" \" ]] && COMP_WORDS+=(\"\"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _cotenant; echo "
      "\"${COMPREPLY[@]}\"' "
      "bash '" +
          typed + "'",
      testing::TempDir());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  std::istringstream words(outcome.out);
  return {std::istream_iterator<std::string>(words), {}};
}

std::vector<std::string> commands() {
  const std::string help = run_cotenant("--help").out;
  const std::regex line("\n  ([a-z]+) +[A-Z]");
  std::vector<std::string> names;
  for (std::sregex_iterator match(help.begin(), help.end(), line), end; match != end; ++match)
    names.push_back((*match)[1]);
  return names;
}

std::vector<std::string> options_in(const std::string& help) {
  const std::regex option("(?:^|[ ,\n])(--[a-z][a-z-]*)");
  std::vector<std::string> names;
  for (std::sregex_iterator match(help.begin(), help.end(), option), end; match != end; ++match)
    names.push_back((*match)[1]);
  return names;
}

TEST(Completion, BashOffersCommandsOptionsAndChoices) {
  EXPECT_THAT(offered("an"), ElementsAre("analyze"));
  EXPECT_THAT(offered("run --bas"), ElementsAre("--baselines"));
  EXPECT_THAT(offered("export --format "), ElementsAre("csv", "json"));
  EXPECT_THAT(offered("completion z"), ElementsAre("zsh"));
  EXPECT_THAT(offered("analyze data/"), ElementsAre());  // bash then offers files
  EXPECT_THAT(offered("kee"), ElementsAre());            // hidden
}

TEST(Completion, KnowsEveryCommandAndOptionOfTheHelp) {
  const std::string bash = run_cotenant("completion bash").out, zsh = run_cotenant("completion zsh").out;
  const std::string page = run_cotenant("manual").out;
  const auto in_page = [](std::string name) { return std::regex_replace(name, std::regex("-"), "\\-"); };
  ASSERT_THAT(commands(), testing::Contains("run"));
  ASSERT_GT(commands().size(), 8u);
  for (const std::string& command : commands()) {
    EXPECT_THAT(offered(command), ElementsAre(command));
    EXPECT_THAT(zsh, HasSubstr("    " + command + ") _arguments"));
    EXPECT_THAT(page, HasSubstr(".SS cotenant " + command + "\n"));
    const std::vector<std::string> offers = offered(command + " --");
    for (const std::string& option : options_in(run_cotenant(command + " --help").out)) {
      EXPECT_THAT(offers, testing::Contains(option)) << command;
      EXPECT_TRUE(zsh.find(option + "[") != std::string::npos) << command << " " << option;
      EXPECT_THAT(page, HasSubstr("\\fB" + in_page(option) + "\\fR")) << command;
    }
  }
}

}  // namespace
}  // namespace cotenant
