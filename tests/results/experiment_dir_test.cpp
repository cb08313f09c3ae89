#include "results/experiment_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "results/output_file.h"
#include "results/record.h"
#include "results/tenant_files.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ExperimentDirectoryTest : public testing::Test {
 protected:
  // A run whose only file says `text`.
  void run(const std::string& text, bool complete) {
    ExperimentDirectory directory(path_);
    write_file(directory.staging() / "config.yaml", text);
    complete ? directory.commit() : static_cast<void>(directory.abandon());
  }

  static std::string text_of(const fs::path& path) {
    std::ifstream file(path / "config.yaml");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path_.parent_path())) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  static std::string error_of(const fs::path& path) {
    try {
      ExperimentDirectory directory(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "no error";
  }

  const TemporaryDirectory directory_;
  const fs::path root_ = directory_.path(), path_ = root_ / "data" / "pair";
};

TEST_F(ExperimentDirectoryTest, ACompleteRunReplacesTheEarlierOne) {
  run("first", true);
  EXPECT_EQ(text_of(path_), "first");
  run("second", true);
  EXPECT_EQ(text_of(path_), "second");
  EXPECT_EQ(names(), std::vector<std::string>{"pair"});
}

TEST_F(ExperimentDirectoryTest, TheEarlierRunStandsUntilThen) {
  run("first", true);
  ExperimentDirectory directory(path_);
  write_file(directory.staging() / "config.yaml", "second");
  EXPECT_EQ(text_of(path_), "first");
}

TEST_F(ExperimentDirectoryTest, AnIncompleteRunReplacesNothing) {
  run("first", true);
  run("second", false);
  EXPECT_EQ(text_of(path_), "first");
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "second");
  run("third", false);
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "third");
  EXPECT_EQ(names(), (std::vector<std::string>{"pair", "pair.incomplete"}));
}

TEST_F(ExperimentDirectoryTest, LeavesNothingOfARunThatWroteNothing) {
  { ExperimentDirectory directory(path_); }
  EXPECT_TRUE(names().empty());
}

TEST_F(ExperimentDirectoryTest, RefusesASecondRunAndSaysWhoHoldsTheFirst) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    ExperimentDirectory directory(path_);
    [[maybe_unused]] const ssize_t told = ::write(ready[1], "x", 1);
    ::pause();
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(error_of(path_), HasSubstr("pid " + std::to_string(holder)));
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  run("later", true);  // the lock has died with its holder
  EXPECT_EQ(text_of(path_), "later");
}

TEST_F(ExperimentDirectoryTest, KeepsWhatAKilledDriverLeft) {
  run("first", true);
  const pid_t driver = ::fork();
  if (driver == 0) {
    ExperimentDirectory directory(path_);
    write_file(directory.staging() / "config.yaml", "second");
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(driver, nullptr, 0);
  run("third", true);
  EXPECT_EQ(text_of(path_), "third");
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "second");
}

TEST_F(ExperimentDirectoryTest, RecoversFromADeathBetweenTwoRenames) {
  run("first", true);
  fs::rename(path_, path_.string() + ".old");  // as where the file system cannot exchange
  { ExperimentDirectory directory(path_); }
  EXPECT_EQ(text_of(path_), "first");
}

TEST_F(ExperimentDirectoryTest, NeverReplacesWhatIsNoExperiment) {
  fs::create_directories(path_);
  std::ofstream(path_ / "thesis.tex") << "years of work";
  EXPECT_THAT(error_of(path_), HasSubstr("holds no experiment"));
  EXPECT_TRUE(fs::exists(path_ / "thesis.tex"));
  std::ofstream(root_ / "file") << "x";
  EXPECT_THAT(error_of(root_ / "file"), HasSubstr("holds no experiment"));
}

TEST_F(ExperimentDirectoryTest, ReplacesAnExperimentOfTheStudy) {
  fs::create_directories(path_ / "distilgpt2");
  std::ofstream(path_ / "distilgpt2" / "events.jsonl") << "{}\n";
  run("new", true);
  EXPECT_EQ(text_of(path_), "new");
}

TEST_F(ExperimentDirectoryTest, RefusesAPlaceThatCannotBeWritten) {
  std::ofstream(root_ / "file") << "x";
  EXPECT_THAT(error_of(root_ / "file" / "pair"), HasSubstr("cannot be created"));
  EXPECT_THAT(error_of("/proc/pair"), HasSubstr("cannot be"));
  EXPECT_THAT(error_of("/"), HasSubstr("no name of a directory"));
}

TEST_F(ExperimentDirectoryTest, KnowsACompleteRunAndWhetherItIsValid) {
  EXPECT_EQ(validity_of_complete_run(path_), std::nullopt);
  fs::create_directories(path_);
  ExperimentRecord record;
  write_file(path_ / "experiment.json", to_json(record));
  EXPECT_EQ(validity_of_complete_run(path_), std::nullopt);
  record.validity.complete = true;
  write_file(path_ / "experiment.json", to_json(record));
  EXPECT_EQ(validity_of_complete_run(path_), false);
  record.validity.valid = true;
  write_file(path_ / "experiment.json", to_json(record));
  EXPECT_EQ(validity_of_complete_run(path_), true);
  write_file(path_ / "experiment.json", "{");
  EXPECT_EQ(validity_of_complete_run(path_), std::nullopt);
}

// The kernel's own full disk.
TEST(OutputFile, ReportsAFullDiskAsTheUsersBusiness) {
  OutputFile file = OutputFile::named_by_user("/dev/full");
  file.write("text");
  try {
    file.flush();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    EXPECT_THAT(error.what(), HasSubstr("another place"));
  }
  OutputFile other = OutputFile::named_by_user("/dev/full");
  other.write("text");
  EXPECT_THROW(other.close(), Error);
  OutputFile large = OutputFile::named_by_user("/dev/full");
  EXPECT_THROW(large.write(std::string(1 << 20, 'x')), Error);
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

TEST_F(ExperimentDirectoryTest, WritesTheStudysFilesInOrderOfTime) {
  SettingsRecord settings;
  settings.device = "cpu";
  TenantRecord tenant;
  tenant.name = "org/model";
  tenant.directory = "org_model";
  tenant.model = "org/model";
  tenant.tag = "tag";
  tenant.task = "forward";
  tenant.batch_size = 8;
  tenant.seq_len = 128;
  fs::create_directories(path_);
  TenantFiles files(path_, settings, tenant);
  for (const double latency_ms : {3.0, 1.0, 2.0}) {
    Iteration iteration;
    iteration.latency_ms = latency_ms;
    iteration.tokens_in = 1024;
    files.append(iteration);
  }
  files.finish();
  const fs::path prefix = path_ / "org_model" / "org_model_org_model_b8_L128";
  EXPECT_EQ(lines_of(prefix.string() + "_latencies_ms.csv"),
            (std::vector<std::string>{"3.000000", "1.000000", "2.000000"}));
  const auto summary = lines_of(prefix.string() + "_summary.txt");
  EXPECT_EQ(summary.at(0), "avg_ms=2");
  EXPECT_EQ(summary.at(1), "p50_ms=2");
  EXPECT_EQ(summary.at(5), "throughput_tokens_per_s=512000");
  EXPECT_THAT(summary, testing::Contains("config_model_name=org/model"));
  const auto events = lines_of(path_ / "org_model" / "events.jsonl");
  ASSERT_EQ(events.size(), 6u);
  EXPECT_THAT(events[0], HasSubstr("run_start"));
  EXPECT_THAT(events[4], HasSubstr("\"tokens_processed\":3072"));
  EXPECT_THAT(events[5], HasSubstr("time_elapsed"));
}

}  // namespace
}  // namespace cotenant
