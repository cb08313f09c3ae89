#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/temporary_directory.h"
#include "program.h"

namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(Program, VersionNamesTheCommit) {
  const Outcome outcome = run_cotenant("--version");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, testing::MatchesRegex("cotenant [0-9.]+ \\([0-9a-z-]+\\)\n"));
}

TEST(Program, MistakesOnTheCommandLineExitWith2) {
  for (const char* arguments : {"--json", "no-such-command", "schema --no-such-flag"}) {
    const Outcome outcome = run_cotenant(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << arguments;
    EXPECT_THAT(outcome.err, testing::Not(IsEmpty())) << arguments;
    EXPECT_THAT(outcome.out, IsEmpty()) << arguments;
  }
}

TEST(Program, AlonePrintsItsHelp) {
  const Outcome alone = run_cotenant("");
  EXPECT_EQ(alone.exit_code, 0);
  EXPECT_EQ(alone.out, run_cotenant("--help").out);
  EXPECT_THAT(alone.out, HasSubstr("analyze"));
}

TEST(Program, NamesAnUnknownSubcommandAndThoseThereAre) {
  const Outcome outcome = run_cotenant("no-such-command");
  EXPECT_THAT(outcome.err, HasSubstr("no-such-command: there is no such subcommand"));
  EXPECT_THAT(outcome.err, HasSubstr("run, infer, analyze"));
  EXPECT_THAT(outcome.err, testing::Not(HasSubstr("keeper")));
}

TEST(Program, SaysWhenItsAnswerCannotBeWritten) {
  for (const char* command : {"models", "models --json", "schema", "doctor --json"}) {
    const Outcome outcome = run_cotenant(std::string(command) + " > /dev/full");
    EXPECT_EQ(outcome.exit_code, 2) << command;
    EXPECT_THAT(outcome.err, HasSubstr("standard output: cannot be written")) << command;
  }
}

TEST(Schema, IsJsonOnStandardOutput) {
  const Outcome outcome = run_cotenant("schema");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, IsEmpty());
  EXPECT_EQ(json::parse(outcome.out).at("$schema"), "https://json-schema.org/draft/2020-12/schema");
}

TEST(Doctor, SaysOfEverySharingModeWhetherAndWhyNot) {
  const Outcome outcome = run_cotenant("doctor --json");
  ASSERT_EQ(outcome.exit_code, 0);
  const json findings = json::parse(outcome.out);
  for (const char* mode : {"timeslice on cpu", "partition on cpu"})
    EXPECT_EQ(findings.at("sharing").at(mode).at("state"), "good") << mode;
  for (const char* mode : {"timeslice", "mps", "streams", "green", "mig"}) {
    bool is_told = false;
    for (const auto& [name, finding] : findings.at("sharing").items())
      is_told |= name.starts_with(std::string(mode) + " on cuda") && !finding.at("found").get<std::string>().empty();
    EXPECT_TRUE(is_told) << mode;
  }
  for (const char* name : {"system", "CPU", "memory"}) EXPECT_TRUE(findings.at("machine").contains(name)) << name;
}

TEST(Doctor, KeepsTheTokenToItself) {
  setenv("HF_TOKEN", "hf_secret", 1);
  const Outcome outcome = run_cotenant("doctor");
  unsetenv("HF_TOKEN");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("found in HF_TOKEN"));
  EXPECT_THAT(outcome.out + outcome.err, testing::Not(HasSubstr("hf_secret")));
}

TEST(Doctor, SaysHowToGetAMissingProgram) {
  const std::string path = getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  const Outcome without = run_cotenant("doctor --json");
  setenv("PATH", path.c_str(), 1);
  ASSERT_EQ(without.exit_code, 0);
  EXPECT_EQ(json::parse(without.out).at("programs").at("gnuplot").at("state"), "missing");
  EXPECT_THAT(json::parse(without.out).at("programs").at("gnuplot").at("remedy").get<std::string>(),
              HasSubstr("apt-get install gnuplot-nox"));
}

// Nothing may be written when the configuration is wrong.
TEST(Run, WrongConfigurationExitsWith2AndWritesNothing) {
  const TemporaryDirectory temporary;
  const std::string directory = temporary.path().string();
  std::ofstream(directory + "/pair.yaml")
      << "tenants:\n  - model_name: distilgpt2\n    batchsize: 8\n    seq_len: 16\n";
  const Outcome outcome = run_cotenant("run pair.yaml", directory);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.out, IsEmpty());
  EXPECT_THAT(outcome.err, HasSubstr("pair.yaml:3:5: tenants.0.batchsize: expected a known key"));
  EXPECT_THAT(outcome.err, HasSubstr("Did you mean batch_size?"));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory), {}), 1);
}

// `<(...)` of a shell: a pipe can be read only once, and a grid loads its experiment many times.
TEST(Run, ReadsAConfigurationFromAPipe) {
  const TemporaryDirectory directory;
  const std::string pipe = (directory.path() / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] {
    std::ofstream(pipe) << "experiment_name: two\ndevice: cpu\nmin_duration_s: .05\nwarmup_s: 0\nout_dir: ~/results\n"
                           "tenants: [{name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: +3}]\n"
                           "vary: {tenants.0.stress.service_ms: [1, 2]}\n";
  });
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  setenv("HOME", directory.path().c_str(), 1);
  const Outcome outcome = run_cotenant("run " + pipe, directory.path().string());
  setenv("HOME", home.c_str(), 1);
  writer.join();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  for (const char* cell : {"results_service_ms_1", "results_service_ms_2"})
    EXPECT_TRUE(std::filesystem::exists(directory.path() / cell / "experiment.json")) << cell;
}

// A full disk behind stdout costs the table, and nothing else; an answer for programs is what was asked for.
TEST(Run, KeepsItsFilesWhenItsTableCannotBeWritten) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "two.yaml")
      << "experiment_name: two\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\n"
         "tenants: [{name: a, engine: stress, stress: {kind: spin, service_ms: 1}, num_iters: 5}]\n";
  for (const auto& [flag, code] : {std::pair("", 0), std::pair(" --json", 2)}) {
    std::filesystem::remove_all(directory.path() / "data");
    const Outcome outcome =
        run_cotenant(std::string("run two.yaml") + flag + " > /dev/full", directory.path().string());
    EXPECT_EQ(outcome.exit_code, code) << flag;
    EXPECT_THAT(outcome.err, HasSubstr("standard output: cannot be written")) << flag;
    EXPECT_TRUE(std::filesystem::exists(directory.path() / "data" / "two" / "experiment.json")) << flag;
  }
}

}  // namespace
}  // namespace cotenant
