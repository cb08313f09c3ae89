#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include "command.h"
#include "places.h"

// A disk or a server of files that fails in the middle, by what failing_disk.cpp does to the program's calls.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FailingDisk : public DriverTest {
 protected:
  void SetUp() override {
    write("pair.yaml",
          "experiment_name: pair\ndevice: cpu\nmin_duration_s: 0.5\nwarmup_s: 0\ntenants:\n"
          "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}\n"
          "  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}\n");
    const ExitStatus earlier = run("run pair.yaml -q").status;
    ASSERT_TRUE(earlier.code == 0 || earlier.code == 4) << earlier.text();
    earlier_ = tree("data/pair");
    fs::create_directory(at("tmp"));
  }

  std::map<fs::path, std::string> tree(const fs::path& directory) const {
    std::map<fs::path, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(at(directory)))
      if (entry.is_regular_file()) files[entry.path()] = read(fs::relative(entry.path(), root_));
    return files;
  }

  // The call fails with that error when it meets the path for the nth time, and from then on.
  Finished run_failing(const std::string& arguments, const std::string& call, const std::string& path, int error,
                       int nth = 1) const {
    return run(arguments,
               fmt::format("export TMPDIR='{}' DISK_CALL={} DISK_PATH='{}' DISK_ERROR={} DISK_NTH={} "
                           "ASAN_OPTIONS=\"verify_asan_link_order=0:$ASAN_OPTIONS\" LD_PRELOAD='{}';",
                           at("tmp").string(), call, path, error, nth, build_dir() + "/tests/libfailing_disk.so"));
  }

  fs::path rescued() const {
    for (const auto& entry : fs::directory_iterator(at("tmp"))) return entry.path();
    return "";
  }

  std::map<fs::path, std::string> earlier_;
};

TEST_F(FailingDisk, NothingOfBeforeIsLostAndSamplesAreKeptElsewhere) {
  for (const int error : {EIO, ESTALE}) {
    const Finished finished = run_failing("run pair.yaml -q", "write", "pair.staging/a/events.jsonl", error, 3);
    EXPECT_EQ(finished.status.code, 2) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(std::string("a/events.jsonl: write: ") + std::strerror(error)));
    EXPECT_THAT(finished.err, HasSubstr("What was measured is in " + rescued().string()));
    EXPECT_TRUE(tree("data/pair") == earlier_);
    for (const char* tenant : {"a", "b"}) EXPECT_GT(iterations(rescued(), tenant).size(), 20u) << tenant;
    EXPECT_EQ(run("analyze --json " + rescued().string()).status.code, 0);
    fs::remove_all(rescued());
    fs::remove_all(at("data/pair.incomplete"));
  }
}

TEST_F(FailingDisk, AnyCallMayFailAtAnyTime) {
  const struct {
    const char *call, *path;
    int nth;
  } failures[] = {{"write", "pair.staging/a/events.jsonl", 1},
                  {"write", "pair.staging/telemetry", 2},
                  {"write", "pair.staging/.cotenant-", 3},
                  {"close", "pair.staging/b/events.jsonl", 1},
                  {"rename", "_summary.txt", 1},
                  {"rename", "experiment.json", 2},
                  {"write", "/events.jsonl", 2}};  // where they are rescued to, as well
  for (const auto& [call, path, nth] : failures) {
    const std::string what = fmt::format("{} {} {}", call, path, nth);
    const Finished finished = run_failing("run pair.yaml -q", call, path, EIO, nth);
    EXPECT_EQ(finished.status.code, 2) << what << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(": Input/output error\n  Look at the disk")) << what;
    EXPECT_TRUE(tree("data/pair") == earlier_) << what;
    EXPECT_TRUE(fs::exists(at("data/pair.incomplete"))) << what;
    if (!rescued().empty()) {
      EXPECT_THAT(finished.err, HasSubstr("is in " + rescued().string())) << what;
    }
    fs::remove_all(rescued());
    fs::remove_all(at("data/pair.incomplete"));
  }
}

TEST_F(FailingDisk, ALogThatCannotBeWrittenEndsNothing) {
  write("program.yaml",
        "experiment_name: program\ndevice: cpu\nmin_duration_s: 0.3\nwarmup_s: 0\ntenants:\n"
        "  - {name: p, engine: command, command: [sh, -c, 'while :; do echo step; sleep 0.01; done'],\n"
        "     progress: step, num_iters: 10}\n");
  for (const auto& [call, nth] : {std::pair("write", 1), std::pair("write", 4), std::pair("open", 1)}) {
    const Finished finished = run_failing("run program.yaml", call, "p/program.log", ESTALE, nth);
    EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("what the program of p printed is not all in its program.log: " +
                                        std::string(call) + ": Stale file handle"));
    EXPECT_GE(iterations("data/program", "p").size(), 10u);
  }
}

TEST_F(FailingDisk, WhatCannotBeReadIsSaid) {
  for (const char* file : {"experiment.json", "a/events.jsonl", "telemetry.jsonl"})
    for (const char* command : {"analyze", "analyze --json", "compare data/pair", "export", "trace"})
      for (const char* call : {"read", "open"}) {
        const std::string path = std::string("data/pair/") + file;
        const bool is_needed =
            std::string_view(file) != "telemetry.jsonl" || std::string_view(command).starts_with("analyze");
        const Finished finished = run_failing(std::string(command) + " data/pair", call, path, EIO);
        EXPECT_TRUE(finished.status.code == 2 || !is_needed) << command << ' ' << call << ' ' << path << finished.err;
        if (finished.status.code == 0) continue;
        EXPECT_THAT(finished.err, HasSubstr(path + ": cannot be read: Input/output error\n  Look at the disk"))
            << command << ' ' << call;
      }
  EXPECT_TRUE(tree("data/pair") == earlier_);
  const Finished planned = run_failing("run pair.yaml", "read", "pair.yaml", EIO);
  EXPECT_EQ(planned.status.code, 2);
  EXPECT_THAT(planned.err, HasSubstr("Input/output error"));
}

}  // namespace
}  // namespace cotenant
