#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "../analysis/made_experiment.h"
#include "program.h"

namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class AnalyzeCommand : public DataRoot {
 protected:
  void SetUp() override {
    DataRoot::SetUp();
    MadeTenant a, b;
    a.name = "a";
    b.name = "b, \"2\"";
    a.latency_ms = b.latency_ms = 4;
    make_experiment(root_ / "pair", {a, b});
    make_experiment(root_ / "slow", {a, b});
    a.latency_ms = 2;
    make_experiment(root_ / "solo", {a});
  }

  std::string path(const std::string& name) const { return (root_ / name).string(); }
};

TEST_F(AnalyzeCommand, PrintsTheAnswerFirst) {
  const Outcome outcome = run_cotenant("analyze --no-plots " + path("pair"));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_THAT(outcome.out, StartsWith("pair ("));
  EXPECT_THAT(outcome.out, HasSubstr("the work of 1.00 CPUs; worst slowdown 2.00x"));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("\033")));  // no colours: this is no terminal
}

// What stands beside results would keep a later run from replacing them.
TEST_F(AnalyzeCommand, PutsNothingBesideResults) {
  std::ofstream(root_ / "real.yaml")
      << "experiment_name: real\nout_dir: .\ndevice: cpu\nmin_duration_s: 0\nwarmup_s: 0\n"
         "tenants: [{name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}]\n";
  const auto run = [&] { return run_cotenant("run real.yaml -q --out real", root_.string()); };
  const auto files = [&] {
    std::set<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) found.insert(entry.path());
    return found;
  };
  ASSERT_EQ(run().exit_code, 0);
  const auto before = files();
  for (const char* arguments : {"analyze real --out real", "analyze real --out real/a/new",
                                "analyze pair --out real/plots --json", "analyze pair real --out .",
                                "export real --format json -o real/real.json", "trace pair -o real/a/trace.json"}) {
    const Outcome outcome = run_cotenant(arguments, root_.string());
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.err, HasSubstr("an experiment's results")) << arguments;
    EXPECT_THAT(outcome.out, IsEmpty()) << arguments;
  }
  EXPECT_EQ(files(), before);
  EXPECT_EQ(run_cotenant("export real --format json -o real.json", root_.string()).exit_code, 0);
  EXPECT_EQ(run_cotenant("analyze real --out real.plots", root_.string()).exit_code, 0);
  EXPECT_EQ(run().exit_code, 0);
}

// Results of the study and of ours, their directories and files, in every command that reads them.
TEST_F(AnalyzeCommand, AnyKindOfResultsIsTakenOrRefusedWithARemedy) {
  std::ofstream(root_ / "ours.yaml")
      << "experiment_name: ours\nout_dir: ours\ndevice: cpu\nmin_duration_s: 0\nwarmup_s: 0\n"
         "tenants: [{name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}]\n";
  ASSERT_EQ(run_cotenant("run ours.yaml -q", root_.string()).exit_code, 0);
  MadeTenant a;
  a.name = "a";
  make_experiment(root_ / "made", {a});
  std::filesystem::remove(root_ / "made" / "experiment.json");  // as the study's
  const auto expect = [&](const std::string& arguments, int exit_code, const std::string& said) {
    const Outcome outcome = run_cotenant(arguments, root_.string());
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << '\n' << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(said)) << arguments;
  };
  for (const char* command : {"analyze --no-plots", "analyze --json", "export", "trace"}) {
    for (const char* whole :
         {"ours", "ours.yaml", "ours/config.yaml", "ours/experiment.json", "ours/telemetry.jsonl", "made"})
      expect(std::string(command) + " " + whole, 0, "");
    for (const char* tenant :
         {"ours/a", "ours/a/events.jsonl", "made/a", "made/a/events.jsonl",
          "made/a/a_distilgpt2_b8_L128_latencies_ms.csv", "made/a/a_distilgpt2_b8_L128_summary.txt"})
      expect(std::string(command) + " " + tenant, 2,
             std::string("Give ") + std::string(tenant).substr(0, 4) + " instead");
    expect(std::string(command) + " nothing", 2, "no such file or directory");
  }
  expect("compare made ours", 2, "Compare two runs of one experiment");
  expect("compare ours made", 2, "Compare two runs of one experiment");
  expect("compare --fail-if-slower ours made", 6, "Compare two runs of one experiment");
  expect("compare made made", 0, "");
  expect("compare ours ours/experiment.json", 0, "");
  expect("compare ours/a/events.jsonl ours", 2, "Give ours instead");
  expect("analyze --no-plots ours --baseline made", 2, "is no baseline of any tenant");
  expect("analyze --no-plots made ours", 0, "");
}

TEST_F(AnalyzeCommand, GivesOneObjectOrAList) {
  const json one = json::parse(run_cotenant("analyze --json pair", root_.string()).out);
  EXPECT_EQ(one.at("experiment"), "pair");
  EXPECT_EQ(one.at("valid"), true);
  EXPECT_EQ(one.at("tenants").at(1).at("name"), "b, \"2\"");
  EXPECT_NEAR(one.at("tenants").at(0).at("slowdown_p50").get<double>(), 2, 1e-9);
  EXPECT_EQ(one.at("tenants").at(0).at("verdict"), "fair");
  EXPECT_EQ(one.at("tenants").at(0).at("clock"), "host");
  EXPECT_TRUE(one.at("tenants").at(0).at("gpu_ms").is_null());
  EXPECT_EQ(one.at("tenants").at(0).at("latency_ms").at("ci95_p50").size(), 2u);
  EXPECT_EQ(one.at("fairness").at("basis"), "latency_mean");
  EXPECT_TRUE(one.at("fairness").at("by_quantile").contains("p99"));
  EXPECT_EQ(one.at("significance").at("assumes_independence"), true);
  EXPECT_EQ(one.at("significance").at("omnibus").at("test"), "anova");
  EXPECT_EQ(one.at("significance").at("pairs").size(), 1u);
  const json solo = json::parse(run_cotenant("analyze --json " + path("solo")).out);
  EXPECT_TRUE(solo.at("fairness").is_null());
  EXPECT_TRUE(solo.at("significance").is_null());
  EXPECT_TRUE(solo.at("system").at("stp").is_null());
  EXPECT_EQ(json::parse(run_cotenant("analyze --json " + path("pair") + " " + path("solo")).out).size(), 2u);
  EXPECT_FALSE(std::filesystem::exists(root_ / "plots"));
}

TEST_F(AnalyzeCommand, WritesTablesForOthers) {
  const std::string csv = run_cotenant("analyze --csv " + path("pair")).out;
  EXPECT_THAT(csv, StartsWith("experiment,tenant,model,"));
  EXPECT_THAT(csv, HasSubstr("pair,\"b, \"\"2\"\"\",distilgpt2,forward,8,128,timeslice,true,host,1000,"));
  const std::string markdown = run_cotenant("analyze --markdown " + path("pair") + " " + path("slow")).out;
  EXPECT_THAT(markdown, StartsWith("## Comparison"));
  EXPECT_THAT(markdown, HasSubstr("| a | distilgpt2 | 8x128 |"));
}

TEST_F(AnalyzeCommand, FindsTheExperimentOfAConfiguration) {
  write_text(root_ / "pair.yaml",
             "experiment_name: pair\nout_dir: " + path("pair") +
                 "\ntenants:\n  - {model_name: distilgpt2, name: a, batch_size: 8, seq_len: 128}\n");
  const Outcome outcome = run_cotenant("analyze --json " + path("pair.yaml"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("experiment"), "pair");
  std::filesystem::remove_all(root_ / "pair");
  EXPECT_THAT(run_cotenant("analyze --json " + path("pair.yaml")).err, HasSubstr("has not been run"));
  make_study_experiment(root_ / "pair.incomplete", {{"a"}});
  EXPECT_EQ(run_cotenant("analyze --json " + path("pair.yaml")).exit_code, 0);
}

TEST_F(AnalyzeCommand, WritesAReportAndRefusesAPlaceThatCannotBe) {
  EXPECT_EQ(run_cotenant("analyze " + path("solo") + " --out " + path("report")).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(root_ / "report" / "report.html"));
  write_text(root_ / "file", "");
  const Outcome refused = run_cotenant("analyze " + path("solo") + " --out " + path("file"));
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cannot be created"));
  EXPECT_EQ(run_cotenant("analyze --json " + path("solo") + " > /dev/full").exit_code, 2);
}

// Latencies that no clock tells, in the study's form: plots and report are made all the same.
TEST_F(AnalyzeCommand, DrawsLatenciesThatAreAllZeroOrEqualOrFarApart) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {{"zero", {"0"}},
                                                                               {"equal", {"5"}},
                                                                               {"nearly", {"5.00000001", "5.00000002"}},
                                                                               {"apart", {"5", "5e-324"}},
                                                                               {"long", {"5", "2.9e12"}}};
  for (const auto& [name, latencies] : cases) {
    for (const char* tenant : {"a", "b"}) {
      std::string events = R"({"type": "run_start", "model_name": "m", "batch_size": 8, "seq_len": 128})"
                           "\n";
      for (size_t i = 0; i < 60; ++i)
        events += R"({"type": "iteration", "iter": )" + std::to_string(i) + R"(, "latency_ms": )" +
                  latencies[i % latencies.size()] + "}\n";
      write_text(root_ / name / tenant / "events.jsonl", events + R"({"type": "time_elapsed", "sec": 1e-300})"
                                                                  "\n");
    }
    const Outcome outcome = run_cotenant("analyze " + path(name) + " --out " + path("plots_of_" + name));
    EXPECT_EQ(outcome.exit_code, 0) << name;
    EXPECT_THAT(outcome.err, testing::Not(HasSubstr("defect"))) << name;
    EXPECT_TRUE(std::filesystem::exists(root_ / ("plots_of_" + name) / "report.html")) << name;
    for (const char* format : {" --json ", " --csv ", " --markdown "})
      EXPECT_EQ(run_cotenant(std::string("analyze") + format + path(name)).exit_code, 0) << name << format;
    EXPECT_EQ(run_cotenant("compare " + path(name) + " " + path(name)).exit_code, 0) << name;
  }
}

TEST_F(AnalyzeCommand, ReadsAConfigurationFromAPipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream(path("pipe")) << "experiment_name: pair\nout_dir: " << path("pair")
                                << "\ntenants:\n  - {model_name: distilgpt2, batch_size: 8, seq_len: 128}\n";
  });
  const Outcome outcome = run_cotenant("analyze --json " + path("pipe"));
  writer.join();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(json::parse(outcome.out).at("experiment"), "pair");
}

TEST_F(AnalyzeCommand, CompareFailsWhenSlowerIfAsked) {
  MadeTenant a;
  a.name = "a";
  a.iterations = 200;
  for (const char* run : {"", "repeats/02", "repeats/03"}) {
    a.latency_ms = 2;
    make_experiment(root_ / "before" / run, {a});
    a.latency_ms = 3;
    make_experiment(root_ / "later" / run, {a});
  }
  const std::string both = "compare " + path("before") + " " + path("later");
  EXPECT_EQ(run_cotenant(both).exit_code, 0);
  EXPECT_EQ(run_cotenant(both + " --fail-if-slower").exit_code, 5);
  EXPECT_EQ(run_cotenant(both + " --fail-if-slower --min-effect 60%").exit_code, 0);
  EXPECT_EQ(run_cotenant(both + " --min-effect many").exit_code, 2);
  const json found = json::parse(run_cotenant(both + " --json").out);
  EXPECT_EQ(found.at("tenants").at(0).at("change"), "SLOWER");
  EXPECT_NEAR(found.at("tenants").at(0).at("shift").get<double>(), 0.5, 1e-9);
  EXPECT_NEAR(found.at("tenants").at(0).at("mean_ms").at("shift").get<double>(), 0.5, 1e-9);
  EXPECT_THAT(found.at("tenants").at(0).at("reason").get<std::string>(), HasSubstr("median +50"));
}

// The same pair under two kinds of sharing, twice as slow alone as in the second: which pays?
TEST_F(AnalyzeCommand, CompareSetsSeveralRunsBesideEachOther) {
  MadeTenant a, b;
  a.name = "a";
  b.name = "b, \"2\"";
  a.latency_ms = b.latency_ms = 2.5;
  make_experiment(root_ / "pair_mps", {a, b},
                  [](ExperimentRecord& record) { record.settings.sharing = SharingMode::mps; });
  const std::string three = "compare " + path("pair") + " " + path("pair_mps") + " " + path("slow");
  const Outcome text = run_cotenant(three);
  EXPECT_EQ(text.exit_code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("more work than one after another: pair_mps (STP 1.600)\n"
                                  "as much work as one after another: pair (STP 1.000), slow (STP 1.000)"));
  EXPECT_THAT(text.out, HasSubstr("2.500 (1.25x) UNCLEAR"));  // of one run each nothing is concluded
  EXPECT_THAT(text.out, HasSubstr("4.000 (2.00x) UNCLEAR"));
  const json found = json::parse(run_cotenant(three + " --json").out);
  EXPECT_EQ(found.at("comparisons").size(), 2u);
  EXPECT_EQ(found.at("runs").at(1).at("sharing"), "mps");
  EXPECT_NEAR(found.at("runs").at(1).at("tokens_per_s_of_first").get<double>(), 1.6, 1e-3);
  EXPECT_NEAR(found.at("runs").at(1).at("tenants").at(0).at("slowdown_p50").get<double>(), 1.25, 1e-9);
}

TEST_F(AnalyzeCommand, ExportsEveryIteration) {
  std::istringstream csv(run_cotenant("export " + path("pair")).out);
  std::string line;
  int lines = 0;
  while (std::getline(csv, line)) ++lines;
  EXPECT_EQ(lines, 1 + 2 * 1000);
  const json rows = json::parse(run_cotenant("export --format json " + path("solo")).out);
  ASSERT_EQ(rows.size(), 1000u);
  EXPECT_EQ(rows.at(3).at("iter"), 3);
  EXPECT_EQ(rows.at(3).at("tenant"), "a");
  EXPECT_EQ(rows.at(3).at("counts"), true);
  EXPECT_TRUE(rows.at(3).at("gpu_ms").is_null());
  EXPECT_EQ(run_cotenant("export " + path("solo") + " -o " + path("x.csv")).exit_code, 0);
  EXPECT_GT(std::filesystem::file_size(root_ / "x.csv"), 50'000u);
}

TEST_F(AnalyzeCommand, ExportsNothingOfWhatIsNoExperimentAndNothingToAPlaceThatIsNone) {
  std::filesystem::create_directory(root_ / "empty");
  const Outcome empty = run_cotenant("export " + path("empty"));
  EXPECT_EQ(empty.exit_code, 2);
  EXPECT_EQ(empty.out, "");
  const Outcome nowhere = run_cotenant("export " + path("solo") + " -o " + path("no/such/place.csv"));
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("Choose another place."));
}

}  // namespace
}  // namespace cotenant
