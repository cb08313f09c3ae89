#include "results/own_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/temporary_directory.h"
#include "results/kernels.h"
#include "results/output_file.h"
#include "results/record.h"
#include "results/tenant_files.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class OwnDirectory : public testing::Test {
 protected:
  // With everything that a run writes.
  void SetUp() override {
    write_run(path_);
    write_run(path_ / "baselines" / "gpt2_b8_L128");
    write_run(path_ / "repeats" / "02");
    write_run(path_ / "repeats" / "02" / "baselines" / "gpt2_b8_L128");
    for (const char* name : {"profile.json", "profile.csv", "profile_trace.json", ".cotenant-abcdef"})
      write_file(path_ / name, "{}");
  }

  static void write_run(const fs::path& directory) {
    ExperimentRecord record;
    record.build.version = "0.1.0";
    record.validity.complete = true;
    for (const char* name : {"a", "org_b"}) {
      TenantRecord& tenant = record.tenants.emplace_back();
      tenant.name = tenant.directory = name;
      tenant.model = "org/model";
      TenantFiles(directory, record.settings, tenant, std::make_shared<IterationStore>(directory))
          .finish(TenantSummary());
      write_kernels(directory / name, {});
    }
    for (const char* name : {"config.yaml", "telemetry.jsonl"}) write_file(directory / name, "x");
    write_file(directory / "experiment.json", to_json(record));
  }

  const TemporaryDirectory directory_;
  const fs::path path_ = directory_.path() / "pair";
};

TEST_F(OwnDirectory, WhatARunWritesIsOursAndGoesWhole) {
  EXPECT_EQ(why_not_ours(path_, true), "");
  EXPECT_EQ(remove_ours(path_), "");
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(OwnDirectory, WhatNoRunWritesStaysWithAllBesideIt) {
  const auto count = [&] { return std::distance(fs::recursive_directory_iterator(path_), {}); };
  for (const char* name :
       {"notes.txt", "a/notes.txt", "a/config.yaml", "baselines/notes.txt", "baselines/gpt2_b8_L128/notes.txt",
        "repeats/02/a/x_b8_L128_latencies_ms.csv.bak", "a/_b8_L128_summary.txt", "a/model_b8_Lx_summary.txt"}) {
    write_file(path_ / name, "thoughts");
    const auto before = count();
    EXPECT_THAT(why_not_ours(path_, true), HasSubstr(fs::path(name).filename().string())) << name;
    EXPECT_THAT(remove_ours(path_), HasSubstr("which no run writes")) << name;
    EXPECT_EQ(count(), before) << name;
    fs::remove(path_ / name);
  }
  for (const char* name : {"src", "a/src", "baselines/gpt2_b8_L128/src"}) {
    fs::create_directory(path_ / name);
    EXPECT_THAT(remove_ours(path_), HasSubstr("src"));
    fs::remove(path_ / name);
  }
  EXPECT_EQ(why_not_ours(path_, true), "");
}

TEST_F(OwnDirectory, ALinkOrAnythingSpecialIsNotOurs) {
  const fs::path victim = directory_.path() / "victim";
  fs::create_directory(victim);
  write_file(victim / "events.jsonl", "precious");
  for (const char* name : {"config.yaml", "a/events.jsonl", "telemetry.jsonl"}) {
    fs::remove(path_ / name);
    fs::create_symlink(victim / "events.jsonl", path_ / name);
    EXPECT_NE(remove_ours(path_), "") << name;
    fs::remove(path_ / name);
    ASSERT_EQ(::mkfifo((path_ / name).c_str(), 0600), 0);
    EXPECT_NE(remove_ours(path_), "") << name;
    fs::remove(path_ / name);
  }
  fs::remove_all(path_ / "a");
  fs::create_directory_symlink(victim, path_ / "a");
  EXPECT_THAT(remove_ours(path_), HasSubstr("holds a,"));
  fs::create_directory_symlink(path_, directory_.path() / "link");
  EXPECT_EQ(remove_ours(directory_.path() / "link"), "is no directory");
  EXPECT_TRUE(fs::exists(victim / "events.jsonl"));
}

TEST_F(OwnDirectory, WithoutOurMarkNothingIsOurs) {
  const std::string mark = "has no experiment.json of cotenant's";
  for (const char* text : {"", "{", "{}", "[]", R"({"validity": {"complete": true}})", R"({"build": "make"})"}) {
    write_file(path_ / "experiment.json", text);
    EXPECT_EQ(why_not_ours(path_, true), mark) << text;
  }
  fs::remove(path_ / "experiment.json");
  EXPECT_EQ(why_not_ours(path_, false), mark);
  fs::create_symlink(path_ / "repeats/02/experiment.json", path_ / "experiment.json");
  EXPECT_EQ(why_not_ours(path_, false), mark);
  EXPECT_EQ(why_not_ours(directory_.path() / "nothing", false), "is no directory");
}

TEST_F(OwnDirectory, AnIncompleteRunIsOursButNotToBeReplaced) {
  ExperimentRecord record;
  record.build.version = "0.1.0";
  fs::remove_all(path_);
  fs::create_directory(path_);
  write_file(path_ / "experiment.json", to_json(record));
  EXPECT_EQ(why_not_ours(path_, true), "holds a run that did not come to its end");
  EXPECT_EQ(why_not_ours(path_, false), "");
}

TEST_F(OwnDirectory, TemporaryFilesOfAKilledProcessGo) {
  write_file(path_ / kBegunName, "");
  write_file(path_ / "repeats/02/a/.cotenant-abcdef", "x");
  remove_left_over(path_);
  EXPECT_FALSE(fs::exists(path_ / "repeats/02/a/.cotenant-abcdef"));
  EXPECT_FALSE(fs::exists(path_ / ".cotenant-abcdef"));
  EXPECT_TRUE(fs::exists(path_ / kBegunName));
  EXPECT_EQ(why_not_ours(path_, true), "");
}

// A driver that is killed before its run begins leaves no experiment.json, and files that are empty still.
TEST_F(OwnDirectory, WhatHasBegunIsOursButNotToBeReplaced) {
  for (const char* run : {"pair", "pair/repeats/02", "pair/baselines/gpt2_b8_L128"}) {
    fs::remove(directory_.path() / run / "experiment.json");
    write_file(directory_.path() / run / "a" / "events.jsonl", "");
  }
  EXPECT_NE(why_not_ours(path_, false), "");
  write_file(path_ / kBegunName, "");
  EXPECT_EQ(why_not_ours(path_, false), "");
  EXPECT_NE(why_not_ours(path_, true), "");
  write_file(path_ / "a" / "notes.txt", "thoughts");
  EXPECT_NE(why_not_ours(path_, false), "");
  fs::remove(path_ / "a" / "notes.txt");
  EXPECT_EQ(remove_ours(path_), "");
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(OwnDirectory, IsFoundAbove) {
  EXPECT_EQ(experiment_around(path_), "");
  EXPECT_EQ(experiment_around(path_ / "new" / "place"), fs::canonical(path_));
  EXPECT_EQ(experiment_around(path_ / "baselines" / "gpt2_b8_L128"), fs::canonical(path_));
}

}  // namespace
}  // namespace cotenant
