#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "base/clock.h"
#include "command.h"
#include "places.h"

// Where results go: what is wrong with a place is found before anything runs, on real file systems.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kTenants =
    "device: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\n"
    "tenants: [{name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}]\n";

// A file system for one test.
class Mounted {
 public:
  Mounted(const fs::path& at, const std::string& options, unsigned long flags = 0, const fs::path& bound = {})
      : at_(at) {
    fs::create_directories(at);
    const char* source = bound.empty() ? "tmpfs" : bound.c_str();
    mounted_ = ::mount(source, at.c_str(), "tmpfs", flags | (bound.empty() ? 0 : MS_BIND), options.c_str()) == 0;
  }
  ~Mounted() {
    if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  explicit operator bool() const { return mounted_; }

 private:
  fs::path at_;
  bool mounted_;
};

// From here on flock answers with `error`, as on a file system that has none.
bool forbid_flock(int error) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class PlacesTest : public DriverTest {
 protected:
  void SetUp() override { write("pair.yaml", std::string("experiment_name: pair\n") + kTenants); }

  // The program in root_, in a child that has first called `prepare`.
  Finished run_prepared(const std::string& arguments, const std::function<bool()>& prepare) const {
    const std::string script = "cd '" + root_.string() + "'; exec " + binary() + " " + arguments + " >stdout 2>stderr";
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (prepare()) ::execl("/bin/sh", "sh", "-c", script.c_str(), nullptr);
      ::_exit(99);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    ExitStatus ended;
    if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    return {ended, read("stdout"), read("stderr")};
  }

  void expect_refused(const Finished& finished, const std::string& what, const std::string& remedy) const {
    EXPECT_EQ(finished.status.code, 2) << finished.status.text() << finished.err;
    EXPECT_THAT(finished.err, HasSubstr(what));
    EXPECT_THAT(finished.err, HasSubstr(remedy));
    EXPECT_THAT(finished.err, Not(HasSubstr("defect")));
    for (const char* left : {"data", "out.staging", "out.lock", "out.incomplete"})
      EXPECT_FALSE(fs::is_directory(at(left))) << left;
    for (const auto& entry : fs::recursive_directory_iterator(root_))
      EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".cotenant-")));
  }
  void expect_ran(const Finished& finished, const std::string& directory = "data/pair") const {
    EXPECT_EQ(finished.status.code, 0) << finished.status.text() << finished.err;
    EXPECT_TRUE(fs::exists(at(directory) / "experiment.json"));
  }
};

TEST_F(PlacesTest, AMountPointCannotBeReplacedAndADirectoryInItCan) {
  const Mounted volume(at("out"), "size=8m");
  if (!volume) GTEST_SKIP() << "may not mount a tmpfs";
  expect_refused(run("run pair.yaml --out out"), "is a mount point", "--out " + at("out/results").string());
  expect_refused(run("run pair.yaml --out out/"), "is a mount point", "out/results");
  expect_ran(run("run pair.yaml --out out/results"), "out/results");
}

TEST_F(PlacesTest, ABoundDirectoryIsAMountPointToo) {
  fs::create_directories(at("elsewhere"));
  const Mounted volume(at("out"), "", 0, at("elsewhere"));
  if (!volume) GTEST_SKIP() << "may not bind a directory";
  expect_refused(run("run pair.yaml --out out"), "is a mount point", "out/results");
}

TEST_F(PlacesTest, AReadOnlyFileSystemIsRefused) {
  const Mounted volume(at("out"), "size=8m", MS_RDONLY);
  if (!volume) GTEST_SKIP() << "may not mount a tmpfs";
  expect_refused(run("run pair.yaml --out out/pair"), "Read-only file system", "Choose another place with --out.");
  expect_refused(run("run pair.yaml --no-save", "TMPDIR=$PWD/out HOME=/proc/nobody XDG_CACHE_HOME=/proc/nobody"),
                 "there is no place for them", "Set TMPDIR to a directory");
}

TEST_F(PlacesTest, AFullFileSystemIsRefused) {
  const Mounted volume(at("out"), "size=16k");
  if (!volume) GTEST_SKIP() << "may not mount a tmpfs";
  expect_refused(run("run pair.yaml --out out/pair"), "No space left on device", "Free some space");
}

TEST_F(PlacesTest, ALimitOfFilesThatIsTooSmallIsRefused) {
  expect_refused(run("run pair.yaml", "ulimit -f 1;"), "File too large", "ulimit -f");
  // Enough for its files, and too little for the memory that it shares with its workers.
  const Finished finished = run("run pair.yaml", "ulimit -f 1000;");
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("ulimit -f"));
  for (const char* left : {"data/pair", "data/pair.staging", "data/pair.incomplete"})
    EXPECT_FALSE(fs::exists(at(left))) << left;  // nothing was measured
}

TEST_F(PlacesTest, AnotherUsersDirectoryIsRefused) {
  if (::getuid() != 0) GTEST_SKIP() << "may not become another user";
  fs::permissions(root_, fs::perms::others_read | fs::perms::others_exec, fs::perm_options::add);
  fs::create_directories(at("out"));
  for (const char* file : {"stdout", "stderr"}) {
    write(file, "");
    fs::permissions(at(file), fs::perms::others_write, fs::perm_options::add);
  }
  const Finished finished = run_prepared("run pair.yaml --out out/pair", [] {
    return ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0;
  });
  expect_refused(finished, "Permission denied", "Choose another place with --out.");
}

// The kernel's own answers, by a filter of system calls.
TEST_F(PlacesTest, AFileSystemWithoutLocksIsRefused) {
  for (const int error : {ENOSYS, ENOLCK, EOPNOTSUPP}) {
    const Finished finished = run_prepared("run pair.yaml", [error] { return forbid_flock(error); });
    if (finished.status.code == 99) GTEST_SKIP() << "may not filter system calls";
    expect_refused(finished, std::string("has no locks (flock): ") + std::strerror(error), "-o flock");
  }
}

TEST_F(PlacesTest, AFileInTheWayIsRefused) {
  write("file", "mine");
  expect_refused(run("run pair.yaml --out file"), "exists and is no directory", "--out");
  expect_refused(run("run pair.yaml --out file/pair"), "file: is no directory", "--out");
  EXPECT_EQ(read("file"), "mine");
}

TEST_F(PlacesTest, ATenantsOwnPlaceIsTriedToo) {
  write("file", "mine");
  const Finished finished = run("run pair.yaml --set tenants.0.out_dir=file/a");
  expect_refused(finished, "file: is no directory", "--out");
}

TEST_F(PlacesTest, EachPlaceOfASeriesIsTriedBeforeTheFirstRun) {
  write("second.yaml", std::string("experiment_name: second\nout_dir: /proc/second\n") + kTenants);
  expect_refused(run("run pair.yaml second.yaml"), "/proc: cannot be written", "--out");
}

TEST_F(PlacesTest, WhatOthersHaveBesideAPlaceIsFoundBeforeTheFirstRun) {
  write("second.yaml", std::string("experiment_name: second\nout_dir: other/second\n") + kTenants);
  fs::create_directories(at("other/second.staging"));
  write("other/second.staging/thesis.tex", "years of work");
  expect_refused(run("run pair.yaml second.yaml"), "second.staging: has no experiment.json", "Move it away");
  fs::remove_all(at("other/second.staging"));
  write("other/second.lock", "[[package]]");
  expect_refused(run("run pair.yaml second.yaml"), "second.lock: is there and is no lock of cotenant", "--out");
  EXPECT_EQ(read("other/second.lock"), "[[package]]");
}

TEST_F(PlacesTest, ATmpdirThatIsNoneEndsNothing) {
  EXPECT_EQ(run("run pair.yaml --no-save", "TMPDIR=/nowhere").status.code, 0);
  expect_ran(run("run pair.yaml", "TMPDIR=/nowhere HOME=/proc/nobody XDG_CACHE_HOME=/proc/nobody"));
}

TEST_F(PlacesTest, ACurrentDirectoryThatIsGoneIsSaid) {
  const std::string gone = "mkdir gone; cd gone; rmdir ../gone;";
  const std::string streams = " >" + at("stdout").string() + " 2>" + at("stderr").string() + " #";
  expect_refused(run("run " + at("pair.yaml").string() + streams, gone), "the current directory is gone", "whole path");
  expect_ran(run("run " + at("pair.yaml").string() + " --out " + at("here").string() + streams, gone), "here");
}

TEST_F(PlacesTest, NobodyNeedsAHome) {
  expect_ran(run("run pair.yaml", "HOME=/proc/nobody"));
  fs::remove_all(at("data"));
  expect_ran(run("run pair.yaml", "unset HOME;"));
}

std::string word_behind(const std::string& text, const std::string& before) {
  const size_t at = text.find(before);
  if (at == std::string::npos) return "";
  const size_t begin = at + before.size();
  return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

TEST_F(PlacesTest, WhatIsRemovedInTheMiddleIsKeptElsewhere) {
  fs::create_directories(at("tmp"));
  const auto driver = start("run pair.yaml --set min_duration_s=1.5", "TMPDIR=$PWD/tmp");
  ASSERT_TRUE(eventually([&] { return fs::exists(at("data/pair.staging/experiment.json")); }));
  fs::remove_all(at("data"));
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("was removed while the run was going on"));
  std::string kept = word_behind(finished.err, "What was measured is in ");
  ASSERT_FALSE(kept.empty()) << finished.err;
  kept.pop_back();  // a full stop
  EXPECT_TRUE(record(kept).validity.complete);
  EXPECT_GT(iterations(kept, "a").size(), 500u);  // from the first one on
  EXPECT_EQ(iterations(kept, "a").front().iter, 0);
  EXPECT_EQ(run("analyze --no-plots " + kept).status.code, 0);
}

constexpr const char* kBusy =
    "experiment_name: busy\ndevice: cpu\nmin_duration_s: 60\nwarmup_s: 0\ntenants:\n"
    "  - {name: a, engine: stress, stress: {kind: spin, service_ms: 0.1}, num_iters: 5}\n"
    "  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}\n";

// To the last sample: the room for what waits to be written is taken before the run.
TEST_F(PlacesTest, ADiskThatFillsUpKeepsAllThatWasMeasured) {
  const Mounted volume(at("data"), "size=2m");
  if (!volume) GTEST_SKIP() << "may not mount a tmpfs";
  write("busy.yaml", kBusy);
  const Finished finished = run("run busy.yaml");
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("No space left on device"));
  EXPECT_THAT(finished.out, HasSubstr("/data/busy.incomplete\n"));
  EXPECT_EQ(run("analyze --no-plots data/busy.incomplete").status.code, 0);
  for (const char* tenant : {"a", "b"})  // each line is whole, the last one too
    EXPECT_GT(iterations("data/busy.incomplete", tenant).size(), 100u) << tenant;
}

// A file system that finds an error in itself becomes read-only under the run.
TEST_F(PlacesTest, APlaceThatBecomesReadOnlyIsLeftForAnother) {
  const std::string image = at("image").string(), data = at("data").string();
  fs::create_directories(at("data"));
  fs::create_directories(at("tmp"));
  std::ofstream(image).close();
  fs::resize_file(image, 64 << 20);
  const std::string mount = "PATH=$PATH:/sbin:/usr/sbin; mkfs.ext4 -q -F " + image +
                            " 2>/dev/null && mount -o loop,errors=remount-ro " + image + " " + data + " 2>/dev/null";
  if (std::system(mount.c_str()) != 0) GTEST_SKIP() << "may not mount an image of ext4";
  write("busy.yaml", kBusy);
  const auto driver = start("run busy.yaml", "TMPDIR=$PWD/tmp");
  const fs::path events = at("data/busy.staging/b/events.jsonl");
  EXPECT_TRUE(eventually([&] { return fs::exists(events) && fs::file_size(events) > 20'000; }));
  const std::string fail = "for fault in /sys/fs/ext4/$(basename $(findmnt -no SOURCE " + data +
                           "))/trigger_fs_error; do echo a test > $fault; done";
  EXPECT_EQ(std::system(fail.c_str()), 0);
  const Finished finished = finish(*driver);
  ::umount2(data.c_str(), MNT_DETACH);
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("Read-only file system"));
  const std::string kept = word_behind(finished.err, "What was measured is in ");
  ASSERT_FALSE(kept.empty()) << finished.err;
  for (const char* tenant : {"a", "b"})
    EXPECT_GT(iterations(kept.substr(0, kept.size() - 1), tenant).size(), 50u) << tenant;
  EXPECT_EQ(run("analyze --no-plots " + kept.substr(0, kept.size() - 1)).status.code, 0);
}

TEST_F(PlacesTest, NamesThatAreTooLongAreRefused) {
  const std::string longest(240, 'x'), beyond(300, 'x');
  expect_refused(run("run pair.yaml --out " + beyond), "File name too long", "Choose a shorter");
  expect_refused(run("run pair.yaml --out " + beyond + "/pair"), "File name too long", "Choose a shorter");
  expect_refused(run("run pair.yaml --out " + std::string(250, 'x')), "File name too long", "Choose a shorter");
  expect_ran(run("run pair.yaml --out " + longest), longest);
  std::string deep = "deep";
  while (deep.size() < 900) deep += "/" + std::string(200, 'd');
  expect_ran(run("run pair.yaml --out " + deep), deep);
}

TEST_F(PlacesTest, AGridOverLongPathsOfModelsHasNamesThatFit) {
  std::string models = at("m").string();
  for (int i = 0; i < 2; ++i) models += "/" + std::string(120, 'p');
  fs::create_directories(models);
  for (const std::string& name : {std::string(100, 'a') + "1", std::string(100, 'a') + "2"})
    fs::create_directory_symlink(source_dir() + "/tests/fixtures/models/llama", models + "/" + name);
  const std::string first = models + "/" + std::string(100, 'a') + "1",
                    second = models + "/" + std::string(100, 'a') + "2";
  write("model.yaml",
        "experiment_name: grid\ndevice: cpu\nmin_duration_s: 0.1\nwarmup_s: 0\nbaselines: true\ntenants:\n  - "
        "{model_name: none, batch_size: 1, seq_len: 4, num_iters: 3, num_warmup: 1}\n");
  const Finished finished = run("run model.yaml --vary tenants.0.model_name=" + first + "," + second);
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  size_t cells = 0;
  for (const auto& entry : fs::directory_iterator(at("data"))) cells += fs::exists(entry.path() / "experiment.json");
  EXPECT_EQ(cells, 2u);
}

// What a program prints is the first that the last room is not for.
TEST_F(PlacesTest, AProgramThatPrintsMuchLeavesRoomForSamples) {
  const Mounted small(at("small"), "size=1m");
  if (!small) GTEST_SKIP() << "may not mount";
  write("loud.yaml",
        "experiment_name: loud\ndevice: cpu\nmin_duration_s: 0.3\nwarmup_s: 0\ntenants:\n"
        "  - {name: p, engine: command, progress: step, num_iters: 10,\n"
        "     command: [sh, -c, 'while :; do echo step; head -c 100000 /dev/zero | tr \\\\0 x; echo; sleep 0.01; "
        "done']}\n");
  const Finished finished = run("run loud.yaml --out small/loud");
  EXPECT_TRUE(finished.status.code == 0 || finished.status.code == 4) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("program.log: the file system is almost full"));
  EXPECT_GT(fs::file_size(at("small/loud/p/program.log")), 100'000u);
  EXPECT_GE(iterations("small/loud", "p").size(), 10u);
}

}  // namespace
}  // namespace cotenant
