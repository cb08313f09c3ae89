#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "../analysis/made_experiment.h"
#include "base/printable.h"
#include "program.h"

// What others send is read and never obeyed.
namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}

// Of all that a terminal, a script, HTML, Markdown, CSV and gnuplot obey.
constexpr const char* kHostile =
    "=1+1\n!touch "
    "RCE\n\x1b[31m\u009b2J\u202e</script><script>alert(1)</script>[x](http://"
    "evil.example)|`touch RCE`'\"\xff";

class Hostile : public DataRoot {
 protected:
  void SetUp() override {
    DataRoot::SetUp();
    for (const char* name : {"first", "second"}) make(name);
  }

  void make(const std::string& name) const {
    MadeTenant a, b;
    a.iterations = b.iterations = 50;
    a.name = "a";
    b.name = "b";
    a.model = b.model = "model";
    a.change_record = [](TenantRecord& tenant) {
      tenant.name = tenant.tag = tenant.model = tenant.weights_origin = kHostile;
      tenant.exit.last_error = kHostile;
      tenant.exit.died = true;
    };
    make_experiment(root_ / name, {a, b}, [](ExperimentRecord& record) {
      record.settings.experiment_name = kHostile;
      record.devices.resize(2);
      record.device().device = record.settings.device = kHostile;
      record.device().name = record.host.cpu = record.started_at = kHostile;
      record.validity.reasons = {kHostile};
      record.validity.warnings = {{kHostile, kHostile}};
      record.foreign.top_process = kHostile;
    });
    write_text(root_ / name / "config.yaml", kHostile);
    write_text(root_ / name / "telemetry.jsonl", telemetry(0) + telemetry(1));
  }

  static std::string telemetry(int t_s) {
    return nlohmann::json{{"t_s", t_s}, {"device", kHostile}, {"power_w", 100}}.dump(
               -1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
  }

  static void expect_lines_are_printable(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) EXPECT_EQ(line, printable(line));
  }
};

TEST_F(Hostile, NoOutputIsWrittenOverResults) {
  const auto events = root_ / "first/a/events.jsonl";
  const std::string before = text_of(events), record = text_of(root_ / "first/experiment.json");
  std::filesystem::create_symlink(events, root_ / "innocent.csv");
  for (const char* arguments : {"export first -o first/a/events.jsonl", "trace second -o first/a/events.jsonl",
                                "export first -o innocent.csv", "trace first -o first/experiment.json"}) {
    const Outcome outcome = run_cotenant(arguments, root_.string());
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.err, HasSubstr("is a file of a run's results, which is not overwritten"));
  }
  EXPECT_EQ(text_of(events), before);
  EXPECT_EQ(text_of(root_ / "first/experiment.json"), record);
  for (int time = 0; time < 2; ++time) EXPECT_EQ(run_cotenant("trace first -o made.json", root_.string()).exit_code, 0);
}

// --out "$DIRECTORY" where there is no such variable.
TEST_F(Hostile, AnEmptyPlaceIsNoPlace) {
  for (const char* arguments : {"run --model distilgpt2 --out ''", "analyze first --out ''", "export first -o ''",
                                "trace first -o ''", "profile first --out ''"}) {
    const Outcome outcome = run_cotenant(arguments, root_.string());
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.err, HasSubstr("found an empty text")) << arguments;
  }
  EXPECT_FALSE(std::filesystem::exists(root_ / "data"));
}

TEST_F(Hostile, NothingThatATerminalObeysIsPrinted) {
  for (const char* arguments :
       {"analyze --no-plots first", "analyze --no-plots first second", "analyze --json first", "analyze --csv first",
        "analyze --markdown first second", "compare first second", "compare --json first second", "export first",
        "export --format json first", "trace first", "analyze --no-plots --baseline second first", "profile first",
        "analyze 'no\x1b[31m\nsuch'", "run 'no\x1b[31m.yaml'", "infer --model 'no\x1b[31m' --input-ids 1",
        "run --set 'a\x1b[31m=1' --model gpt2", "'no\x1b[31m'", "run --'no\x1b[31m'"}) {
    const Outcome outcome = run_cotenant(arguments, root_.string());
    EXPECT_FALSE((outcome.out + outcome.err).empty()) << arguments;
    expect_lines_are_printable(outcome.out);
    expect_lines_are_printable(outcome.err);
  }
}

TEST_F(Hostile, ProgramsReadTheNamesAsTheyAre) {
  std::string name = kHostile;
  name.replace(name.size() - 1, 1,
               "\ufffd");  // what is no UTF-8 cannot be in JSON
  for (const char* arguments : {"analyze --json first", "export --format json first"})
    EXPECT_THAT(run_cotenant(arguments, root_.string()).out, HasSubstr(R"(\u001b[31m\u009b2J\u202e)")) << arguments;
  const json one = json::parse(run_cotenant("analyze --json first", root_.string()).out);
  EXPECT_EQ(one.at("experiment"), name);
  EXPECT_EQ(one.at("tenants").at(0).at("name"), name);
  const json trace = json::parse(run_cotenant("trace first", root_.string()).out);
  EXPECT_EQ(trace.at("otherData").at("experiment"), name);
}

TEST_F(Hostile, AReportAndPlotsRunNothing) {
  const Outcome outcome = run_cotenant("analyze first second", root_.string());
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  size_t pages = 0, pictures = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
    EXPECT_NE(entry.path().filename(), "RCE");
    pictures += entry.path().extension() == ".svg";
    if (entry.path().filename() != "report.html") continue;
    ++pages;
    const std::string page = text_of(entry.path());
    EXPECT_THAT(page, Not(HasSubstr("<script>alert")));
    EXPECT_THAT(page, Not(HasSubstr("</script><script>")));
    EXPECT_THAT(page, Not(HasSubstr("\x1b")));
  }
  EXPECT_EQ(pages, 3u);
  EXPECT_THAT(pictures, testing::Gt(10u));
}

TEST_F(Hostile, MarkdownAndCsvAreText) {
  const std::string markdown = run_cotenant("analyze --markdown first", root_.string()).out;
  EXPECT_THAT(markdown, Not(HasSubstr("<script>")));
  EXPECT_THAT(markdown, Not(HasSubstr("[x](http://")));
  EXPECT_THAT(markdown, HasSubstr("\\[x\\](http\\://evil.example)\\|\\`touch RCE\\`"));
  for (const char* arguments : {"analyze --csv first", "export first"}) {
    const std::string csv = run_cotenant(arguments, root_.string()).out;
    EXPECT_THAT(csv, Not(testing::AnyOf(HasSubstr("\n="), HasSubstr(",="), HasSubstr("\"=")))) << arguments;
    EXPECT_THAT(csv, HasSubstr("'=1+1?!touch RCE")) << arguments;
  }
}

TEST_F(Hostile, LinksLeadNowhere) {
  const auto secret = root_ / "secret", first = root_ / "first";
  write_text(secret, "root:$6$salt");
  std::filesystem::remove(first / "config.yaml");
  std::filesystem::create_symlink(secret, first / "config.yaml");
  ASSERT_EQ(run_cotenant("analyze --out out first", root_.string()).exit_code, 0);
  EXPECT_THAT(text_of(root_ / "out" / "report.html"), Not(HasSubstr("$6$salt")));

  std::filesystem::rename(first / "a", root_ / "elsewhere");
  std::filesystem::create_directory_symlink(root_ / "elsewhere", first / "a");
  const Outcome linked = run_cotenant("analyze --no-plots first", root_.string());
  EXPECT_EQ(linked.exit_code, 2);
  EXPECT_THAT(linked.err, HasSubstr("symbolic link"));
  std::filesystem::remove(first / "a");
  std::filesystem::rename(root_ / "elsewhere", first / "a");

  for (const char* name : {"experiment.json", "a/events.jsonl"}) {
    std::filesystem::rename(first / name, root_ / "kept");
    std::filesystem::create_symlink(root_ / "kept", first / name);
    EXPECT_EQ(run_cotenant("analyze --no-plots first", root_.string()).exit_code, 2) << name;
    std::filesystem::remove(first / name);
    ASSERT_EQ(::mkfifo((first / name).c_str(), 0600), 0);
    EXPECT_EQ(run_cotenant("analyze --no-plots first", root_.string()).exit_code, 2) << name;
    std::filesystem::remove(first / name);
    std::filesystem::rename(root_ / "kept", first / name);
  }
}

TEST_F(Hostile, ANameInAFileIsOneNameInItsDirectory) {
  for (const char* directory : {"/etc", "..", "../second/a", ".", "a/b", "a\n"}) {
    MadeTenant a;
    a.iterations = 50;
    make_experiment(root_ / "third", {a}, [&](ExperimentRecord& record) { record.tenants[0].directory = directory; });
    const Outcome outcome = run_cotenant("analyze --no-plots third", root_.string());
    EXPECT_EQ(outcome.exit_code, 2) << directory;
    EXPECT_THAT(outcome.err, HasSubstr("no name of a directory")) << directory;
    std::filesystem::remove_all(root_ / "third");
  }
}

// What a hidden command removes.
TEST_F(Hostile, TheKeepersCommandTakesNoOtherDirectory) {
  std::filesystem::create_directories(root_ / "first" / "pipe");
  for (const char* directory : {"first", ".", "/etc"})
    EXPECT_EQ(run_cotenant(std::string("mps-quit ") + directory, root_.string()).exit_code, 2);
  EXPECT_TRUE(std::filesystem::exists(root_ / "first" / "experiment.json"));
}

}  // namespace
}  // namespace cotenant
