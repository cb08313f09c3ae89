#include "results/experiment_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "results/output_file.h"
#include "results/own_directory.h"
#include "results/record.h"
#include "results/tenant_files.h"
#include "results/window.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ExperimentDirectoryTest : public testing::Test {
 protected:
  static void write_run(const fs::path& directory, const std::string& text, bool complete,
                        std::optional<double> t0_wall_s = {}) {
    write_file(directory / "config.yaml", text);
    ExperimentRecord record;
    record.build.version = "0.1.0";
    record.validity.complete = complete;
    record.t0_wall_s = t0_wall_s;
    write_file(directory / "experiment.json", to_json(record));
  }

  // A run whose only file says `text`.
  void run(const std::string& text, bool complete) {
    ExperimentDirectory directory(path_);
    write_run(directory.staging(), text, complete);
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

TEST_F(ExperimentDirectoryTest, AnIncompleteRunThatHasSamplesIsKeptBesideALaterOne) {
  const auto interrupt = [&](const std::string& text) {
    ExperimentDirectory directory(path_);
    write_run(directory.staging(), "its baselines'", false);
    fs::create_directories(directory.staging() / "baselines" / "a");
    write_run(directory.staging() / "baselines" / "a", text, true, 1e9);  // it had begun
    write_file(directory.staging() / "config.yaml", text);
    EXPECT_EQ(directory.abandon(), path_.string() + ".incomplete");
  };
  for (const char* text : {"first", "second", "third"}) interrupt(text);
  run("fourth", false);
  run("fifth", false);  // the fourth measured nothing
  EXPECT_EQ(names(), (std::vector<std::string>{"pair.incomplete", "pair.incomplete.2", "pair.incomplete.3",
                                               "pair.incomplete.4"}));
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "fifth");
  EXPECT_EQ(text_of(path_.string() + ".incomplete.2"), "first");
  EXPECT_EQ(text_of(path_.string() + ".incomplete.3"), "second");
  EXPECT_EQ(text_of(path_.string() + ".incomplete.4"), "third");
}

// A container's image and what runs in it.
TEST_F(ExperimentDirectoryTest, ReplacesWhatLiesInALowerLayerOfAnOverlay) {
  for (const char* layer : {"lower", "upper", "work", "data"}) fs::create_directory(root_ / layer);
  for (const char* left : {"pair", "pair.incomplete", "pair.staging"}) {
    fs::create_directory(root_ / "lower" / left);
    fs::create_directories(root_ / "lower" / left / "baselines" / "a");
    write_run(root_ / "lower" / left / "baselines" / "a", left, true, 1e9);
    write_run(root_ / "lower" / left, left, std::string(left) == "pair");
  }
  const std::string options = "lowerdir=" + (root_ / "lower").string() + ",upperdir=" + (root_ / "upper").string() +
                              ",workdir=" + (root_ / "work").string();
  const fs::path merged = path_.parent_path();
  if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0)
    GTEST_SKIP() << "may not mount an overlay";
  run("second", true);
  EXPECT_EQ(text_of(path_), "second");
  EXPECT_FALSE(fs::exists(path_ / "baselines"));
  EXPECT_EQ(names(), (std::vector<std::string>{"pair", "pair.incomplete", "pair.incomplete.2"}));
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "pair.staging");
  EXPECT_EQ(text_of(path_.string() + ".incomplete.2"), "pair.incomplete");
  run("third", true);
  EXPECT_EQ(text_of(path_), "third");
  EXPECT_EQ(names(), (std::vector<std::string>{"pair", "pair.incomplete", "pair.incomplete.2"}));
  EXPECT_EQ(::umount2(merged.c_str(), MNT_DETACH), 0);
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
    write_run(directory.staging(), "second", false);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(driver, nullptr, 0);
  run("third", true);
  EXPECT_EQ(text_of(path_), "third");
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "second");
}

// From here on renameat2 fails, as on a file system that cannot exchange two directories.
void forbid_exchange() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = std::size(filter), .filter = filter};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
    ::_exit(1);
}

TEST_F(ExperimentDirectoryTest, ReplacesWhereTheFileSystemCannotExchange) {
  run("first", true);
  fs::create_directory(path_.string() + ".old");  // somebody's
  const pid_t driver = ::fork();
  if (driver == 0) {
    forbid_exchange();
    run("second", true);
    ::_exit(0);
  }
  int status = 1;
  ::waitpid(driver, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(text_of(path_), "second");
  EXPECT_FALSE(fs::exists(path_ / kReplacedName));
  EXPECT_EQ(names(), (std::vector<std::string>{"pair", "pair.old"}));
}

TEST_F(ExperimentDirectoryTest, RecoversFromADeathInTheMiddleOfAReplacement) {
  run("first", true);
  {
    ExperimentDirectory directory(path_);
    write_run(directory.staging(), "second", true);
    fs::rename(path_, directory.staging() / kReplacedName);
  }  // as killed between the two renames
  run("third", false);
  EXPECT_EQ(text_of(path_), "second");
  run("fourth", true);  // and what is left of the first goes with the second
  EXPECT_EQ(text_of(path_), "fourth");
  EXPECT_EQ(names(), (std::vector<std::string>{"pair", "pair.incomplete"}));
}

TEST_F(ExperimentDirectoryTest, NeverReplacesWhatIsNotOurs) {
  fs::create_directories(path_);
  std::ofstream(path_ / "thesis.tex") << "years of work";
  EXPECT_THAT(error_of(path_), HasSubstr("never replaced"));
  std::ofstream(path_ / "config.yaml") << "somebody's";
  EXPECT_THAT(error_of(path_), HasSubstr("never replaced"));
  std::ofstream(path_ / "experiment.json") << "{\"name\": \"somebody's\", \"validity\": {\"complete\": true}}";
  EXPECT_THAT(error_of(path_), HasSubstr("never replaced"));
  EXPECT_TRUE(fs::exists(path_ / "thesis.tex"));
  std::ofstream(root_ / "file") << "x";
  EXPECT_THAT(error_of(root_ / "file"), HasSubstr("no directory"));
}

TEST_F(ExperimentDirectoryTest, NeverReplacesResultsOfTheStudy) {
  fs::create_directories(path_ / "distilgpt2");
  std::ofstream(path_ / "distilgpt2" / "events.jsonl") << "{}\n";
  EXPECT_THAT(error_of(path_), HasSubstr("Move it away"));
  EXPECT_TRUE(fs::exists(path_ / "distilgpt2" / "events.jsonl"));
}

TEST_F(ExperimentDirectoryTest, NeverReplacesARunToWhichSomethingWasAdded) {
  run("first", true);
  std::ofstream(path_ / "notes.txt") << "thoughts";
  EXPECT_THAT(error_of(path_), HasSubstr("notes.txt"));
  fs::remove(path_ / "notes.txt");
  fs::create_symlink("/etc", path_ / "baselines");
  EXPECT_THAT(error_of(path_), HasSubstr("baselines"));
  fs::remove(path_ / "baselines");
  run("second", true);
}

TEST_F(ExperimentDirectoryTest, LeavesWhatWasAddedDuringTheRun) {
  run("first", true);
  ExperimentDirectory directory(path_);
  write_run(directory.staging(), "second", true);
  std::ofstream(path_ / "notes.txt") << "thoughts";
  EXPECT_THROW(directory.commit(), Error);
  EXPECT_EQ(directory.abandon(), path_.string() + ".incomplete");
  EXPECT_EQ(text_of(path_), "first");
  EXPECT_TRUE(fs::exists(path_ / "notes.txt"));
  EXPECT_EQ(text_of(path_.string() + ".incomplete"), "second");
}

TEST_F(ExperimentDirectoryTest, LeavesWhatStandsBesideIt) {
  for (const char* suffix : {".incomplete", ".staging"}) {
    const fs::path other = path_.string() + suffix;
    fs::create_directories(other);
    std::ofstream(other / "thesis.tex") << "years of work";
    EXPECT_THAT(error_of(path_), HasSubstr("never replaced")) << suffix;
    EXPECT_TRUE(fs::exists(other / "thesis.tex"));
    fs::remove_all(other);
  }
  run("first", false);
  ExperimentDirectory directory(path_);
  std::ofstream(path_.string() + ".incomplete/notes.txt") << "thoughts";
  EXPECT_EQ(directory.abandon(), path_.string() + ".incomplete.2");
  EXPECT_TRUE(fs::exists(path_.string() + ".incomplete/notes.txt"));
}

TEST_F(ExperimentDirectoryTest, LeavesALockFileOfOthers) {
  fs::create_directories(path_.parent_path());
  const fs::path lock = path_.string() + ".lock", victim = root_ / "victim";
  std::ofstream(lock) << "[[package]]";  // poetry.lock
  EXPECT_THAT(error_of(path_), HasSubstr("no lock of cotenant"));
  EXPECT_EQ(fs::file_size(lock), 11u);
  fs::remove(lock);

  std::ofstream(victim) << "precious";
  fs::create_symlink(victim, lock);
  EXPECT_THAT(error_of(path_), HasSubstr("pair.lock"));
  EXPECT_TRUE(fs::is_symlink(lock));
  fs::remove(lock);
  fs::create_hard_link(victim, lock);
  EXPECT_THAT(error_of(path_), HasSubstr("no lock of cotenant"));
  fs::remove(lock);
  ASSERT_EQ(::mkfifo(lock.c_str(), 0600), 0);
  EXPECT_THAT(error_of(path_), HasSubstr("no lock of cotenant"));
  fs::remove(lock);
  EXPECT_EQ(fs::file_size(victim), 8u);
  run("first", true);
}

TEST_F(ExperimentDirectoryTest, FollowsNoLinkToADirectory) {
  fs::create_directories(root_ / "real");
  fs::create_directories(path_.parent_path());
  fs::create_symlink(root_ / "real", path_);
  EXPECT_THAT(error_of(path_), HasSubstr((root_ / "real").string()));
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_EQ(error_of(root_ / "real"), "no error");
}

TEST_F(ExperimentDirectoryTest, NeverReplacesWhereSomebodyStands) {
  const fs::path before = fs::current_path(), inner = root_ / "here" / "inner";
  fs::create_directories(inner);
  fs::current_path(inner);
  EXPECT_THAT(error_of("."), HasSubstr("current directory"));
  EXPECT_THAT(error_of(".."), HasSubstr("current directory"));
  EXPECT_THAT(error_of(root_ / "here" / "."), HasSubstr("current directory"));
  fs::create_symlink(root_, root_ / "link");
  EXPECT_THAT(error_of(root_ / "link" / "here" / "inner"), HasSubstr("current directory"));
  EXPECT_EQ(error_of("new"), "no error");
  fs::current_path(before);
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  ::setenv("HOME", inner.c_str(), 1);
  EXPECT_THAT(error_of(inner), HasSubstr("home directory"));
  EXPECT_THAT(error_of(root_ / "here"), HasSubstr("home directory"));
  ::setenv("HOME", home.c_str(), 1);
}

TEST_F(ExperimentDirectoryTest, RefusesAPlaceInsideAnotherExperiment) {
  run("first", true);
  EXPECT_THAT(error_of(path_ / "second"), HasSubstr("is an experiment itself"));
  EXPECT_THAT(error_of(path_ / "a" / "b"), HasSubstr("is an experiment itself"));
  fs::create_symlink(path_, root_ / "link");
  EXPECT_THAT(error_of(root_ / "link" / "second"), HasSubstr("is an experiment itself"));
  EXPECT_EQ(text_of(path_), "first");
}

TEST_F(ExperimentDirectoryTest, ATenantsPlaceOutsideIsCheckedToo) {
  run("first", true);
  const auto refusal = [&](const fs::path& place) {
    try {
      check_tenant_place(place, root_ / "data" / "second");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(refusal(path_ / "a"), HasSubstr("is an experiment itself"));
  EXPECT_THAT(refusal(root_ / "data" / "second" / "x"), HasSubstr("its experiment's directory"));
  EXPECT_EQ(refusal(root_ / "new"), "no error");
  fs::create_directory(root_ / "empty");
  EXPECT_EQ(refusal(root_ / "empty"), "no error");
  fs::create_symlink(root_ / "empty", root_ / "link");
  EXPECT_THAT(refusal(root_ / "link"), HasSubstr("symbolic link"));

  SettingsRecord settings;
  TenantRecord tenant;
  tenant.name = tenant.directory = "a";
  tenant.model = "gpt2";
  TenantFiles(root_, settings, tenant, std::make_shared<IterationStore>(root_)).finish(TenantSummary());
  EXPECT_EQ(refusal(root_ / "a"), "no error");
  std::ofstream(root_ / "a" / "notes.txt") << "thoughts";
  EXPECT_THAT(refusal(root_ / "a"), HasSubstr("notes.txt"));

  fs::create_directory(root_ / "study");
  std::ofstream(root_ / "study" / "events.jsonl")
      << R"({"type": "run_start", "timestamp": 1.0, "model_name": "gpt2", "config": {"model_name": "gpt2"}})"
      << "\n";
  EXPECT_THAT(refusal(root_ / "study"), HasSubstr("did not write"));
}

TEST_F(ExperimentDirectoryTest, RefusesAPlaceThatCannotBeWritten) {
  std::ofstream(root_ / "file") << "x";
  EXPECT_THAT(error_of(root_ / "file" / "pair"), HasSubstr("cannot be created"));
  EXPECT_THAT(error_of("/proc/pair"), HasSubstr("cannot be"));
  EXPECT_THAT(error_of("/"), HasSubstr("no name of a directory"));
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
  tenant.task = Task::forward;
  tenant.batch_size = 8;
  tenant.seq_len = 128;
  fs::create_directories(path_);
  TenantFiles files(path_, settings, tenant, std::make_shared<IterationStore>(path_));
  std::vector<Iteration> iterations;
  for (const double latency_ms : {3.0, 1.0, 2.0}) {
    Iteration iteration;
    iteration.latency_ms = latency_ms;
    iteration.tokens_in = 1024;
    files.append(iteration);
    iterations.push_back(iteration);
  }
  files.finish(summarize(iterations, std::nullopt, false));
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
