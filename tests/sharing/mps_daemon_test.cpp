#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/processes.h"
#include "base/temporary_directory.h"
#include "places.h"
#include "process/keeper.h"
#include "process/signals.h"
#include "sharing/mps.h"

// The life of the daemon where there is no GPU: scripts stand in for NVIDIA's program. The real one is asked in
// tests/driver/gpu_sharing_test.cpp.
namespace cotenant {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Its sockets have names of at most 107 bytes.
TEST(MpsPlace, IsAShortPathThatCanBeWritten) {
  const TemporaryDirectory root;
  const char* before = std::getenv("TMPDIR");
  const std::string restored = before ? before : "/tmp";
  const fs::path deep = root.path() / std::string(100, 'd');
  fs::create_directories(deep);
  ::setenv("TMPDIR", deep.c_str(), 1);
  EXPECT_NE(mps_place_problem().first.find("the kernel takes 107"), std::string::npos);
  EXPECT_NE(mps_place_problem().second.find("TMPDIR"), std::string::npos);
  ::setenv("TMPDIR", root.path().c_str(), 1);
  EXPECT_EQ(mps_place_problem().first, "");
  ::setenv("TMPDIR", restored.c_str(), 1);
}

class StandInDaemon : public testing::Test {
 protected:
  StandInDaemon() : path_(std::getenv("PATH")) {}
  ~StandInDaemon() override { ::setenv("PATH", path_.c_str(), 1); }

  // What the daemon does once it answers, what it does when it is told to quit, and what it does before it answers. It
  // calls itself its own server.
  void install(const std::string& serve, const std::string& quit, const std::string& start = ":") const {
    const fs::path program = bin_.path() / "nvidia-cuda-mps-control";
    std::ofstream(program) << "#!/bin/sh\npid=$CUDA_MPS_PIPE_DIRECTORY/pid\n"
                           << "if [ \"$1\" = -f ]; then echo a daemon; " << start << "; echo $$ >\"$pid\"; " << serve
                           << "; fi\n"
                           << "[ -e \"$pid\" ] || exit 1\nread line\ncase $line in\n"
                           << "  get_server_list) cat \"$pid\" ;;\n  get_client_list*) echo 12; echo 34 ;;\n"
                           << "  quit) " << quit << " ;;\nesac\n";
    ::chmod(program.c_str(), 0700);
    ::setenv("PATH", (bin_.path().string() + ":" + path_).c_str(), 1);
  }

  // Whether it was started with this test's PATH: other tests run at the same time.
  bool is_ours(pid_t pid) const {
    const std::string process = "/proc/" + std::to_string(pid);
    return text_of(process + "/comm").starts_with("nvidia-cuda-mps") &&
           text_of(process + "/environ").find(bin_.path().string()) != std::string::npos;  // a zombie has none
  }

  // A child of the script is such a program too until it has become `sleep`: only what stays counts.
  std::vector<pid_t> mps_programs() const {
    std::vector<pid_t> pids = all_processes();
    std::erase_if(pids, [this](pid_t pid) { return !is_ours(pid); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    std::erase_if(pids, [this](pid_t pid) { return !is_ours(pid); });
    return pids;
  }

  const TemporaryDirectory bin_;
  const std::string path_;
  SignalWatch signals_;
  Keeper keeper_{binary()};
};

TEST_F(StandInDaemon, IsReadyAnswersAndIsGone) {
  install("while :; do sleep 0.02; done", "kill $(cat \"$pid\")");
  {
    MpsDaemon daemon(keeper_);
    ASSERT_TRUE(daemon.servers());
    EXPECT_EQ(daemon.servers()->size(), 1u);
    EXPECT_THAT(daemon.clients().value(), testing::ElementsAre(12, 34));
    EXPECT_FALSE(daemon.death());
    EXPECT_EQ(mps_programs().size(), 1u);
  }
  EXPECT_THAT(mps_programs(), testing::IsEmpty());
}

TEST_F(StandInDaemon, ThatDoesNotQuitIsKilled) {
  install("trap '' TERM; while :; do sleep 0.02; done", "sleep 100");
  MpsDaemon daemon(keeper_);
  EXPECT_LT(daemon.stop(), 4);
  EXPECT_THAT(mps_programs(), testing::IsEmpty());
}

TEST_F(StandInDaemon, ThatEndsAtOnceIsAnErrorWithItsLastWords) {
  install(":", "exit 0", "echo no such device; exit 3");
  try {
    const MpsDaemon daemon(keeper_);
    FAIL() << "it is there";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("ended at once: exit code 3"));
    EXPECT_THAT(error.what(), testing::HasSubstr("no such device"));
  }
}

TEST_F(StandInDaemon, ThatEndsBeforeItsTimeIsTold) {
  const fs::path end = bin_.path() / "end";
  install("while [ ! -e '" + end.string() + "' ]; do sleep 0.02; done; exit 9", "exit 0");
  MpsDaemon daemon(keeper_);
  EXPECT_FALSE(daemon.death());
  std::ofstream(end) << "now";
  const int64_t until_ns = now_ns() + s_to_ns(20);
  while (!daemon.death() && now_ns() < until_ns) sleep_until_ns(now_ns() + 10'000'000);
  EXPECT_EQ(daemon.death(), "exit code 9");
}

// As the keeper does when the driver is gone.
TEST_F(StandInDaemon, QuitsByItsDirectoryAlone) {
  install("while :; do sleep 0.02; done", "kill $(cat \"$pid\")");
  MpsDaemon daemon(keeper_);
  fs::path pipe;
  for (const auto& [name, value] : daemon.environment())
    if (name == "CUDA_MPS_PIPE_DIRECTORY") pipe = value;
  EXPECT_EQ(mps_quit_main(pipe.parent_path()), 0);
  EXPECT_THAT(mps_programs(), testing::IsEmpty());
  EXPECT_FALSE(fs::exists(pipe.parent_path()));
}

TEST_F(StandInDaemon, ThatIsNotInstalledIsSaid) {
  ::setenv("PATH", bin_.path().c_str(), 1);
  EXPECT_THAT(mps_problem(), testing::HasSubstr("no nvidia-cuda-mps-control on PATH"));
  EXPECT_THROW(MpsDaemon{keeper_}, Error);
}

}  // namespace
}  // namespace cotenant
