#include "cluster/claims.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "base/temporary_directory.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

class Claims : public testing::Test {
 protected:
  Claims() {
    for (const char* directory : {"workers", "claims", "work"}) fs::create_directories(files_.in(directory));
  }

  StudyWorker who(double lease_s = 60) const {
    StudyWorker worker;
    worker.host = "here";
    worker.pid = ::getpid();
    worker.lease_s = lease_s;
    return worker;
  }

  // As if its worker had given the last sign of life so long ago.
  static void age(const Worker& worker, time_t seconds) {
    struct stat status;
    ASSERT_EQ(::stat(worker.file().c_str(), &status), 0);
    const timespec times[] = {{status.st_mtim.tv_sec - seconds, 0}, {status.st_mtim.tv_sec - seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, worker.file().c_str(), times, 0), 0);
  }

  const TemporaryDirectory directory_;
  const StudyFiles files_{directory_.path()};
};

// Eight processes want the same 200 runs at once: each run is one process's, and none is nobody's.
TEST_F(Claims, ARunIsOneProcesssAlone) {
  constexpr int kProcesses = 8, kRuns = 200;
  int gate[2];
  ASSERT_EQ(::pipe(gate), 0);
  std::vector<pid_t> pids;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::close(gate[1]);
      Worker worker(files_, who());
      char byte;
      if (::read(gate[0], &byte, 1) != 0) ::_exit(1);  // until all are there
      std::vector<Claim> claims;
      std::ofstream got(directory_.path() / ("got." + std::to_string(process)));
      for (int run = 0; run < kRuns; ++run)
        if (auto claim = Claim::take(files_, worker, std::to_string(run), 0)) {
          got << run << "\n";
          claims.push_back(std::move(*claim));
        }
      got.close();
      ::_exit(0);  // as one that is killed: the claims stand
    }
    pids.push_back(pid);
  }
  ::close(gate[0]);
  ::close(gate[1]);
  for (const pid_t pid : pids) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  std::vector<int> owners(kRuns);
  for (int process = 0; process < kProcesses; ++process) {
    std::ifstream got(directory_.path() / ("got." + std::to_string(process)));
    for (int run; got >> run;) ++owners[static_cast<size_t>(run)];
  }
  EXPECT_EQ(owners, std::vector<int>(kRuns, 1));
}

TEST_F(Claims, AreGivenBack) {
  const Worker worker(files_, who());
  {
    const auto claim = Claim::take(files_, worker, "run", 0);
    ASSERT_TRUE(claim);
    EXPECT_TRUE(claim->is_held());
    EXPECT_EQ(last_claims(files_), (std::map<std::string, int>{{"run", 1}}));
    EXPECT_FALSE(Claim::take(files_, Worker(files_, who()), "run", 0));
  }
  EXPECT_TRUE(last_claims(files_).empty());
}

// Whoever was dead for the others and wakes up sees that the run is not its own any more, and leaves the new claim.
TEST_F(Claims, OfADeadProcessAreTakenOver) {
  const Worker dead(files_, who(10)), other(files_, who(10)), late(files_, who(10));
  auto lost = Claim::take(files_, dead, "run.with.dots", 0);
  ASSERT_TRUE(lost);
  const double now_s = other.file_system_time_s();
  EXPECT_TRUE(claim_state(files_, "run.with.dots", 1, now_s)->alive);
  age(dead, 11);
  const auto state = claim_state(files_, "run.with.dots", 1, now_s);
  ASSERT_TRUE(state);
  EXPECT_FALSE(state->alive);
  EXPECT_NEAR(state->age_s, 11, 1.5);
  EXPECT_EQ(state->worker->name, dead.name());
  const auto taken = Claim::take(files_, other, "run.with.dots", 1);
  ASSERT_TRUE(taken);
  EXPECT_FALSE(Claim::take(files_, late, "run.with.dots", 1));
  EXPECT_FALSE(lost->is_held());
  lost.reset();
  EXPECT_TRUE(taken->is_held());
}

// The age is the difference of two times of the file system: an instant that is years away from this host's changes
// nothing.
TEST_F(Claims, TheHostsClockDoesNotMatter) {
  const Worker worker(files_, who(10));
  const auto claim = Claim::take(files_, worker, "run", 0);
  const double now_s = worker.file_system_time_s();
  age(worker, 400'000'000);
  EXPECT_TRUE(claim_state(files_, "run", 1, now_s - 400'000'000)->alive);
  EXPECT_FALSE(claim_state(files_, "run", 1, now_s)->alive);
}

TEST_F(Claims, AreRenewed) {
  const Worker worker(files_, who(0.5));
  const auto claim = Claim::take(files_, worker, "run", 0);
  struct stat before, after;
  ASSERT_EQ(::stat(worker.file().c_str(), &before), 0);
  for (int i = 0; i < 100; ++i) {
    ::usleep(20'000);
    ASSERT_EQ(::stat(worker.file().c_str(), &after), 0);
    if (std::pair(after.st_mtim.tv_sec, after.st_mtim.tv_nsec) >
        std::pair(before.st_mtim.tv_sec, before.st_mtim.tv_nsec))
      return;
  }
  FAIL() << "no sign of life for 2 s, with a lease of 0.5 s";
}

}  // namespace
}  // namespace cotenant
