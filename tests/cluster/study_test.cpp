#include "results/study.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/temporary_directory.h"
#include "cli/program.h"
#include "places.h"

// Studies as their users have them: the program, started several times.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Study : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"COTENANT_RANK", "COTENANT_SIZE", "SLURM_PROCID", "SLURM_ARRAY_TASK_ID", "PMI_RANK"})
      ::unsetenv(name);
    write_config("pair.yaml", "pair", 2);
  }
  void TearDown() override { ::unsetenv("COTENANT_RANK"), ::unsetenv("COTENANT_SIZE"); }

  void write_config(const std::string& file, const std::string& name, double service_ms, const char* more = "") const {
    std::ofstream(root_ / file) << fmt::format(
        "experiment_name: {}\ndevice: cpu\nsharing: {{mode: timeslice}}\nmin_duration_s: 0.1\nwarmup_s: 0\n"
        "telemetry_interval_ms: 0\n{}tenants:\n"
        "  - {{name: a, engine: stress, stress: {{kind: sleep, service_ms: {}}}, num_iters: 5}}\n"
        "  - {{name: b, engine: stress, stress: {{kind: sleep, service_ms: 3}}, num_iters: 5}}\n",
        name, more, service_ms);
  }

  Outcome cotenant(const std::string& arguments) const { return run_cotenant(arguments, root_.string()); }

  nlohmann::json status(const std::string& study = "s") const {
    return nlohmann::json::parse(cotenant("status " + study + " --json").out);
  }

  std::string table(const std::string& study) const {
    const Outcome analysis = cotenant("analyze " + study + " --csv");
    EXPECT_EQ(analysis.exit_code, 0) << analysis.err;
    return analysis.out;
  }

  // A process of its own; it leads its group.
  pid_t start(const std::string& arguments) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::setpgid(0, 0);
    const std::string command = fmt::format("cd {} && exec {} {} >/dev/null 2>&1", root_.string(), binary(), arguments);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }

  static int wait(pid_t pid) {
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const TemporaryDirectory directory_;
  const fs::path root_ = directory_.path();
};

TEST_F(Study, SeveralProcessesDoEachRunOnce) {
  std::vector<pid_t> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(start("run pair.yaml --vary seed=1,2,3,4,5,6 --study s"));
  for (const pid_t pid : workers) EXPECT_EQ(wait(pid), 0);
  const auto now = status();
  EXPECT_EQ(now["complete"], 6);
  EXPECT_EQ(now["left"], 0);
  size_t measured = 0;
  for (const std::string& name : names_in(root_ / "s/.study/journal")) {
    const std::string journal = text_of(root_ / "s/.study/journal" / name);
    measured += static_cast<size_t>(std::ranges::count(journal, '\n'));
  }
  EXPECT_EQ(measured, 6U);
  EXPECT_EQ(names_in(root_ / "s/.study/claims"), std::vector<std::string>());
  EXPECT_EQ(names_in(root_ / "s/.study/work"), std::vector<std::string>());
}

TEST_F(Study, WhatAKilledProcessHadIsTakenOver) {
  const std::string command = "run pair.yaml --set min_duration_s=1 --vary seed=1,2,3 --study s --lease 1";
  const pid_t first = start(command);
  for (int i = 0; i < 500 && names_in(root_ / "s/.study/claims").empty(); ++i) ::usleep(20'000);
  ASSERT_FALSE(names_in(root_ / "s/.study/claims").empty());
  ::kill(first, SIGKILL);
  EXPECT_EQ(wait(first), -SIGKILL);
  const Outcome second = cotenant("run --study s --lease 1");
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, HasSubstr("taken over from process"));
  EXPECT_EQ(status()["complete"], 3);
}

// One that was only stopped, and wakes up when its run is complete: the run stays as it is, and has not failed.
TEST_F(Study, WhoWakesUpTooLateChangesNothing) {
  const pid_t first = start("run pair.yaml --set min_duration_s=1 --study s --lease 1");
  for (int i = 0; i < 500 && names_in(root_ / "s/.study/claims").empty(); ++i) ::usleep(20'000);
  ::kill(first, SIGSTOP);
  const Outcome second = cotenant("run --study s --lease 1");
  EXPECT_EQ(second.exit_code, 0) << second.err;
  const std::string record = text_of(root_ / "s/pair/experiment.json");
  ::kill(first, SIGCONT);
  wait(first);
  EXPECT_EQ(text_of(root_ / "s/pair/experiment.json"), record);
  const auto now = status();
  EXPECT_EQ(now["complete"], 1);
  EXPECT_EQ(now["failed"].size(), 0U);
}

TEST_F(Study, ATableFromFourShardsIsThatOfOneProcess) {
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=1,2,3,4,5 --vary tenants.a.num_iters=5,6 --study s").exit_code, 0);
  const std::string one = table("s");
  EXPECT_EQ(std::ranges::count(one, '\n'), 1 + 10 * 2);
  EXPECT_THAT(one, testing::StartsWith("run,seed,tenants.a.num_iters,"));

  fs::copy(root_ / "s", root_ / "shards", fs::copy_options::recursive);
  for (const char* what : {"journal", "figures"}) {  // as four processes would have written them
    const fs::path place = root_ / "shards/.study" / what;
    const fs::path whole = place / names_in(place).at(0);
    std::ifstream in(whole);
    std::string line, columns;
    if (what == std::string("figures")) std::getline(in, columns);
    for (size_t i = 0; std::getline(in, line); ++i) {
      std::ofstream out(place / fmt::format("worker-{}.jsonl", 3 - i % 4), std::ios::app);
      if (i < 4 && !columns.empty()) out << columns << "\n";
      out << line << "\n";
    }
    fs::remove(whole);
  }
  EXPECT_EQ(table("shards"), one);

  for (const char* what : {"journal", "figures"}) fs::remove_all(root_ / "shards/.study" / what);
  EXPECT_EQ(table("shards"), one);  // from the runs themselves
}

TEST_F(Study, OfRepeatsAloneIsComparedAsRunsOfOneExperiment) {
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=1,2,3 --study s").exit_code, 0);
  ASSERT_EQ(cotenant("run pair.yaml --vary tenants.a.num_iters=5,6 --study varied").exit_code, 0);
  const Outcome same = cotenant("compare s s");
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_THAT(same.out, HasSubstr("3 and 3 runs"));
  const Outcome varied = cotenant("compare s varied");
  EXPECT_EQ(varied.exit_code, 2);
  EXPECT_THAT(varied.err, HasSubstr("tenants.a.num_iters=5 is varied"));
}

TEST_F(Study, AnotherPlanIsRefused) {
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=1,2 --study s").exit_code, 0);
  write_config("changed.yaml", "pair", 2.5);
  const Outcome changed = cotenant("run changed.yaml --vary seed=1,2 --study s");
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_THAT(changed.err, HasSubstr("tenants.0.stress.service_ms: 2.0 there, 2.5 asked for"));
  const Outcome more = cotenant("run pair.yaml --vary seed=1,2,3 --study s");
  EXPECT_EQ(more.exit_code, 2);
  EXPECT_THAT(more.err, HasSubstr("pair_seed_3 is asked for and not there"));
  EXPECT_THAT(cotenant("run pair.yaml --vary seed=1,2 --repeat 2 --study s").err,
              HasSubstr("--repeat: 1 there, 2 asked for"));
  write_config("other.yaml", "other", 2);
  const Outcome other = cotenant("run other.yaml --study s");
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("holds another study"));
  EXPECT_EQ(status()["complete"], 2);
}

TEST_F(Study, ForceMeasuresAnewWhatChanged) {
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=1,2 --study s").exit_code, 0);
  const std::string before = text_of(root_ / "s/pair_seed_2/experiment.json");
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=2,3 --study s --force").exit_code, 0);
  EXPECT_EQ(text_of(root_ / "s/pair_seed_2/experiment.json"), before);
  write_config("pair.yaml", "pair", 2.5);
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=2,3 --study s --force").exit_code, 0);
  EXPECT_NE(text_of(root_ / "s/pair_seed_2/experiment.json"), before);
  EXPECT_EQ(text_of(root_ / "s/.study/aside/pair_seed_2.1/experiment.json"), before);
}

TEST_F(Study, FailuresAreToldAndTriedAgainWhenAsked) {
  std::ofstream(root_ / "fails.yaml") << "experiment_name: fails\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\n"
                                         "telemetry_interval_ms: 0\ntenants:\n"
                                         "  - {name: p, engine: command, command: [sh, -c, 'exit 7'], progress: x}\n";
  EXPECT_EQ(cotenant("run fails.yaml pair.yaml --study s").exit_code, 3);
  auto now = status();
  ASSERT_EQ(now["failed"].size(), 1U) << now;
  EXPECT_EQ(now["failed"][0]["run"], "fails");
  EXPECT_EQ(now["failed"][0]["code"], 3);
  EXPECT_THAT(now["failed"][0]["reasons"].dump(), HasSubstr("exit code 7"));
  EXPECT_EQ(now["complete"], 1);
  EXPECT_EQ(cotenant("status s").exit_code, 5);
  EXPECT_TRUE(fs::exists(root_ / "s/fails.incomplete"));

  EXPECT_EQ(cotenant("run --study s").exit_code, 0);  // nothing is left
  EXPECT_EQ(cotenant("run --study s --retry-failed").exit_code, 3);
  EXPECT_EQ(status()["failed"].size(), 1U);
}

TEST_F(Study, AnInvalidRunIsPutBackOnce) {
  write_config("short.yaml", "short", 20, "max_duration_s: 1\ncorun: fixed\n");
  // More requests than max_duration_s has time for: never valid.
  const Outcome run = cotenant("run short.yaml --set tenants.a.num_iters=1000 --study s");
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_THAT(run.err, HasSubstr("short: is invalid, and is put back once"));
  EXPECT_TRUE(fs::exists(root_ / "s/.study/aside/short.1/experiment.json"));
  EXPECT_TRUE(fs::exists(root_ / "s/short/experiment.json"));
  const auto now = status();
  ASSERT_EQ(now["failed"].size(), 1U);
  EXPECT_EQ(now["failed"][0]["code"], 4);
  EXPECT_FALSE(now["failed"][0]["reasons"].empty());
}

TEST_F(Study, AShardTakesItsShareAlone) {
  EXPECT_EQ(cotenant("run pair.yaml --vary seed=1,2,3,4,5 --study s --shard 2/2").exit_code, 0);
  auto names = names_in(root_ / "s");
  EXPECT_THAT(names, testing::UnorderedElementsAre(".study", "pair_seed_2", "pair_seed_4"));
  EXPECT_EQ(cotenant("status s").exit_code, 6);
  EXPECT_EQ(cotenant("run --study s --shard 0/2").exit_code, 2);
}

TEST_F(Study, ProcessesOfAJobShareTheirRunsWithoutBeingTold) {
  ::setenv("COTENANT_RANK", "1", 1);
  ::setenv("COTENANT_SIZE", "2", 1);
  const Outcome nowhere = cotenant("run pair.yaml");
  EXPECT_EQ(nowhere.exit_code, 2);
  EXPECT_THAT(nowhere.err, HasSubstr("--study DIR"));
  EXPECT_EQ(cotenant("run pair.yaml --vary seed=1,2 --out s").exit_code, 0);
  EXPECT_EQ(status()["complete"], 2);
  ::unsetenv("COTENANT_SIZE");
  EXPECT_THAT(cotenant("run pair.yaml").err, HasSubstr("of how many?"));
}

TEST_F(Study, AProcessForEachDevice) {
  const Outcome run = cotenant("run pair.yaml --vary seed=1,2,3,4 --study s --devices cpu,cpu");
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("[CPU 0]"));
  EXPECT_THAT(run.err, HasSubstr("[CPU 1]"));
  EXPECT_THAT(run.out, testing::StartsWith("4 of 4 runs are complete"));
  EXPECT_EQ(names_in(root_ / "s/.study/journal").size(), 2U);
}

// Another model of device than that on which the study began.
TEST_F(Study, AnotherModelOfDeviceIsRefused) {
  ASSERT_EQ(cotenant("run pair.yaml --vary seed=1,2 --study s --shard 1/2").exit_code, 0);
  std::ofstream(root_ / "s/.study/devices/cpu") << R"({"run":"","device":"Another CPU","host":"elsewhere"})";
  const Outcome run = cotenant("run --study s");
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("Another CPU on elsewhere"));
  EXPECT_EQ(status()["left"], 1);
  EXPECT_EQ(status()["running"].size(), 0U);
  EXPECT_EQ(cotenant("run --study s --force").exit_code, 0);
}

TEST_F(Study, APlanThatPointsElsewhereIsRefused) {
  ASSERT_EQ(cotenant("run pair.yaml --study s").exit_code, 0);
  std::string plan = text_of(root_ / "s/.study/plan.json");
  plan.replace(plan.find("\"name\": \"pair\""), 14, "\"name\": \"../x\"");
  std::ofstream(root_ / "s/.study/plan.json") << plan;
  EXPECT_EQ(cotenant("status s").exit_code, 2);
  EXPECT_EQ(cotenant("analyze s").exit_code, 2);
}

}  // namespace
}  // namespace cotenant
