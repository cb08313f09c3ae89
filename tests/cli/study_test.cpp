#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "../analysis/made_experiment.h"
#include "places.h"
#include "program.h"

// tools/make_study.sh over results that the program measured: its tables say what `cotenant analyze --json` says.
namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class StudyPages : public DataRoot {
 protected:
  void measure(const std::string& name, const std::vector<std::string>& tenants, const std::string& place = "study") {
    std::string text = "experiment_name: " + name +
                       "\ndevice: cpu\nmin_duration_s: 0.3\nwarmup_s: 0\n"
                       "tenants:\n";
    for (const std::string& tenant : tenants)
      text += "  - {engine: stress, name: " + tenant +
              ", num_iters: 20, num_warmup: 1, threads: 1, stress: {kind: spin, service_ms: 1}}\n";
    write_text(root_ / (name + ".yaml"), text);
    const Outcome run =
        run_cotenant(fmt::format("run {0}.yaml --quiet --out data/{1}/{0}", name, place), root_.string());
    ASSERT_TRUE(run.exit_code == 0 || run.exit_code == 4) << run.err;
  }

  // Its exit code; what it says goes to `said`.
  int make_pages(const std::string& more = "") {
    const std::string command =
        fmt::format("'{0}/tools/make_study.sh' '{1}/data' '{1}/pages' '{2}' {3} >'{1}/said' 2>&1", source_dir(),
                    root_.string(), binary(), more);
    const int status = std::system(command.c_str());
    said_ = text_of("said");
    return status;
  }

  std::string text_of(const std::string& file) const {
    std::ostringstream text;
    text << std::ifstream(root_ / file).rdbuf();
    return text.str();
  }

  // The cells of the first row of a Markdown file that begins with these.
  static std::vector<std::string> row_of(const std::string& markdown, const std::string& begin) {
    const size_t at = markdown.find("| " + begin + " |");
    if (at == std::string::npos) return {};
    std::istringstream line(markdown.substr(at + 2, markdown.find('\n', at) - at - 4));
    std::vector<std::string> cells;
    std::string cell;
    for (std::string word; line >> word;) {
      if (word != "|") {
        cell += (cell.empty() ? "" : " ") + word;
        continue;
      }
      cells.push_back(cell);
      cell.clear();
    }
    cells.push_back(cell);
    return cells;
  }

  std::string said_;
};

// A number in a table is the value, to its last digit: the pages and this test may round differently.
void expect_cell(std::string cell, double value) {
  std::erase_if(cell, [](char c) { return c == ',' || c == 'x'; });
  const size_t point = cell.find('.');
  const double digits = point == std::string::npos ? 0 : static_cast<double>(cell.size() - point - 1);
  EXPECT_NEAR(std::stod(cell), value, 1.01 * std::pow(10, -digits)) << cell;
}

TEST_F(StudyPages, SayWhatTheAnalysesSay) {
  if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  measure("solo_spin", {"a"});
  measure("pair", {"a", "b"});
  measure("pair_timeslice", {"a", "b"}, "modes");
  measure("pair_streams", {"a", "b"}, "modes");
  ASSERT_EQ(make_pages(), 0) << said_;

  const json pair = json::parse(run_cotenant("analyze --json data/study/pair", root_.string()).out);
  const json& a = pair.at("tenants").at(0);
  ASSERT_FALSE(a.at("progress").is_null()) << pair.at("warnings");
  const std::string pairs = text_of("pages/tables/pairs.md");
  const auto of_a = row_of(pairs, "pair | a");
  ASSERT_EQ(of_a.size(), 13u) << pairs;
  expect_cell(of_a[2], a.at("latency_ms").at("p50").get<double>());
  expect_cell(of_a[3], a.at("latency_ms").at("p99").get<double>());
  EXPECT_EQ(of_a[4], "–");  // no GPU time
  expect_cell(of_a[5], a.at("tokens_per_s").get<double>());
  expect_cell(of_a[6], a.at("slowdown_p50").get<double>());
  expect_cell(of_a[7], a.at("slowdown_mean").get<double>());
  EXPECT_EQ(of_a[8], "–");  // a CPU has no SM clock
  expect_cell(of_a[9], a.at("progress").get<double>());
  expect_cell(of_a[10], a.at("contention_ms").get<double>());
  const auto device = row_of(pairs, "pair | timeslice");
  ASSERT_EQ(device.size(), 14u);
  expect_cell(device[3], pair.at("device").at("tokens_per_s").get<double>());
  expect_cell(device[4], pair.at("system").at("stp").get<double>());
  const double spread = pair.at("rate_spreads").at(0).at("max_min_ratio").get<double>();
  const std::string rates = pairs.substr(pairs.find("## Work rates of equal tenants"));
  const size_t spread_at = rates.find("| 2 | ");
  ASSERT_NE(spread_at, std::string::npos) << rates;
  expect_cell(rates.substr(spread_at + 6, rates.find(' ', spread_at + 6) - spread_at - 6), spread);

  const json stored = json::parse(text_of("pages/data/pair.json"));
  EXPECT_NEAR(stored.at("system").at("stp").get<double>(), pair.at("system").at("stp").get<double>(), 1e-5);
  EXPECT_EQ(stored.at("directory"), "study/pair");

  const json sliced =
      json::parse(run_cotenant("analyze --json data/modes/pair_timeslice --baseline data/study", root_.string()).out);
  const json streams =
      json::parse(run_cotenant("analyze --json data/modes/pair_streams --baseline data/study", root_.string()).out);
  const auto mode = row_of(text_of("pages/tables/modes.md"), "streams");
  ASSERT_EQ(mode.size(), 14u);
  const double tokens = streams.at("device").at("tokens_per_s").get<double>();
  expect_cell(mode[1], tokens);
  expect_cell(mode[2], tokens / sliced.at("device").at("tokens_per_s").get<double>());
  expect_cell(mode[4], streams.at("system").at("stp").get<double>());
  EXPECT_EQ(row_of(text_of("pages/tables/modes.md"), "mps").back(), "was not run");

  EXPECT_THAT(row_of(text_of("pages/tables/solo.md"), "solo_spin").at(9), "–");
  EXPECT_THAT(text_of("pages/tables/solo.md"), HasSubstr("the CPU has no counters"));
  EXPECT_THAT(text_of("pages/stp.svg"), HasSubstr(fmt::format(">{:.2f}<", pair.at("system").at("stp").get<double>())));
  EXPECT_THAT(text_of("pages/modes_tokens.svg"), HasSubstr("</svg>"));
  const std::string first = text_of("pages/README.md");
  EXPECT_THAT(first, HasSubstr("pair_green: was not run"));
  EXPECT_THAT(first, HasSubstr("10_distilgpt2: was not run"));
  EXPECT_THAT(first, Not(HasSubstr(root_.string())));
}

// tools/run_study.sh on stand-ins for its configurations, of known cost, on this machine's CPU: runs, failures, links
// to the baselines, and a second time in which nothing is left to do.
TEST_F(StudyPages, ComeFromARunOfTheStudy) {
  if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  const auto config = [](const std::string& name, const std::vector<std::string>& tenants) {
    std::string text = "experiment_name: " + name + "\nmps: false\ndevice: cpu\ntenants:\n";
    for (const std::string& tenant : tenants)
      text += "  - {engine: stress, name: " + tenant +
              ", num_iters: 20, num_warmup: 1, threads: 1, stress: {kind: spin, service_ms: 1}}\n";
    return text;
  };
  write_text(root_ / "configs" / "solo" / "alone.yaml", config("solo_alone", {"a"}));
  write_text(root_ / "configs" / "multitenant" / "mix.yaml", config("mix", {"a", "b"}));
  write_text(root_ / "configs" / "multitenant" / "wrong.yaml", "experiment_name: wrong\ntenants: 3\n");
  const std::string command = fmt::format(
      "cd '{0}' && CONFIGS='{0}/configs' MIXES=mix MODES='timeslice green' WINDOW_S=0.3 WARMUP_S=0 COTENANT='{1}' "
      "'{2}/tools/run_study.sh' data > said 2>&1",
      root_.string(), binary(), source_dir());
  EXPECT_NE(std::system(command.c_str()), 0);
  const std::string said = text_of("said");
  EXPECT_THAT(said, HasSubstr("5 experiments in"));
  EXPECT_THAT(said, testing::ContainsRegex("solo_alone +[0-9]+ s  (not )?valid"));
  EXPECT_THAT(said, testing::ContainsRegex("mix_timeslice +[0-9]+ s  (not )?valid"));
  EXPECT_THAT(said, testing::ContainsRegex("wrong +[0-9]+ s  failed .2.: cotenant: .*wrong.yaml:2"));
  EXPECT_THAT(said, testing::ContainsRegex("mix_green +[0-9]+ s  failed .2.: cotenant: "));
  const json mode = json::parse(run_cotenant("analyze --json data/modes/mix_timeslice", root_.string()).out);
  EXPECT_EQ(mode.at("experiment"), "mix_timeslice");
  EXPECT_EQ(mode.at("tenants").at(0).at("baseline").at("experiment"), "solo_alone");
  const auto written = std::filesystem::last_write_time(root_ / "data" / "study" / "mix" / "experiment.json");
  EXPECT_NE(std::system(command.c_str()), 0);
  EXPECT_EQ(std::filesystem::last_write_time(root_ / "data" / "study" / "mix" / "experiment.json"), written);
  ASSERT_EQ(make_pages(), 0) << said_;
  EXPECT_THAT(text_of("pages/tables/modes.md"), HasSubstr("## mix\n"));
  EXPECT_EQ(row_of(text_of("pages/tables/modes.md"), "green").back(), "was not run");
}

TEST_F(StudyPages, NameWhatCannotBeRead) {
  if (std::system("python3 -c '' 2>/dev/null") != 0) GTEST_SKIP() << "there is no python3";
  EXPECT_NE(make_pages(), 0);
  EXPECT_THAT(said_, HasSubstr("there is no directory"));
  make_experiment(root_ / "data" / "study" / "solo_gpt", {MadeTenant{}});
  write_text(root_ / "data" / "study" / "broken" / "experiment.json", "{");
  make_experiment(root_ / "data" / "study" / "dead.incomplete", {MadeTenant{}});
  ASSERT_EQ(make_pages(), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("broken: cannot be analysed"));
  EXPECT_THAT(said_, HasSubstr("dead: its run did not come to its end"));
  EXPECT_THAT(said_, HasSubstr("there is no modes/"));
  EXPECT_THAT(text_of("pages/tables/solo.md"), HasSubstr("| solo_gpt | distilgpt2 | 2.000 |"));
}

}  // namespace
}  // namespace cotenant
