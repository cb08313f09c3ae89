#include "process/child.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/temporary_directory.h"
#include "places.h"
#include "process/command.h"
#include "process/keeper.h"
#include "process/signals.h"

namespace cotenant {
namespace {

SpawnRequest shell(const std::string& script) {
  SpawnRequest request;
  request.executable = "/bin/sh";
  request.arguments = {"-c", script};
  return request;
}

// What it prints.
std::string output_of(const SpawnRequest& request) {
  const auto result = run_command(request, "", now_ns() + s_to_ns(20));
  EXPECT_TRUE(result);
  return result ? result->output : "";
}

// Gone, or a zombie that nobody reaps (its parent died and this machine's init does not care).
bool is_gone(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) return true;
  return text.substr(text.rfind(')') + 2, 1) == "Z";
}

bool ends_within(pid_t pid, double seconds) {
  const int64_t until_ns = now_ns() + s_to_ns(seconds);
  while (!is_gone(pid) && now_ns() < until_ns) sleep_until_ns(now_ns() + 5'000'000);
  return is_gone(pid);
}

TEST(Child, TellsItsExitCode) {
  Child child(shell("exit 7"));
  const auto status = child.wait_until(now_ns() + s_to_ns(20));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 7);
  EXPECT_EQ(status->text(), "exit code 7");
  EXPECT_FALSE(status->clean());
}

TEST(Command, ReadsItsInputAndTellsItsOutput) {
  const SignalWatch signals;
  const auto result =
      run_command(shell("read line; echo got $line; echo and >&2; exit 3"), "this\n", now_ns() + s_to_ns(20));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status.code, 3);
  EXPECT_EQ(result->output, "got this\nand\n");
}

TEST(Command, IsKilledAtTheDeadline) {
  const SignalWatch signals;
  EXPECT_FALSE(run_command(shell("exec sleep 100"), "", now_ns() + 50'000'000));
}

TEST(Command, MayReadNothing) {
  const SignalWatch signals;
  const auto result = run_command(shell("exit 0"), std::string(1000, 'x'), now_ns() + s_to_ns(20));
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->status.clean());
}

TEST(Child, TellsItsSignal) {
  Child child(shell("kill -SEGV $$"));
  const auto status = child.wait_until(now_ns() + s_to_ns(20));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->signal, SIGSEGV);
  EXPECT_EQ(status->text(), "killed by SIGSEGV");
}

TEST(Child, IsStillRunningAtTheDeadline) {
  Child child(shell("exec sleep 100"));
  EXPECT_FALSE(child.wait_until(now_ns() + 20'000'000));
  EXPECT_EQ(child.kill().signal, SIGKILL);
  EXPECT_EQ(child.kill().signal, SIGKILL);  // again: nothing happens
}

TEST(Child, TakesItsWholeGroupAlong) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "grandchild_pid").string();
  {
    Child child(shell("sleep 1000 & echo $! > " + file + ".tmp; mv " + file + ".tmp " + file + "; wait"));
    const int64_t until_ns = now_ns() + s_to_ns(20);
    while (::access(file.c_str(), R_OK) != 0 && now_ns() < until_ns) sleep_until_ns(now_ns() + 5'000'000);
  }
  pid_t grandchild = 0;
  std::ifstream(file) >> grandchild;
  ASSERT_GT(grandchild, 0);
  EXPECT_TRUE(ends_within(grandchild, 5));
}

TEST(Child, LeadsAGroupOfItsOwn) {
  Child child(shell("exec sleep 100"));
  EXPECT_EQ(::getpgid(child.pid()), child.pid());
  SpawnRequest request = shell("exec sleep 100");
  request.own_session = true;
  Child leader(request);
  EXPECT_EQ(::getsid(leader.pid()), leader.pid());
}

TEST(Child, HasTheDescriptorsItWasGivenAndNoOthers) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  const Fd reading(fds[0]), writing(fds[1]);
  SpawnRequest request = shell("ls /proc/$$/fd");
  request.inherited = {reading.get(), writing.get()};
  EXPECT_EQ(output_of(request), "0\n1\n2\n3\n4\n");
}

// Every target number is another one's source: a naive chain of dup2 would lose one.
TEST(Child, HandsDownDescriptorsWhateverTheirNumbers) {
  const TemporaryDirectory directory;
  const std::string path = (directory.path() / "inherited").string();
  std::ofstream(path) << "content";
  const Fd a(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), b(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Fd at4(::fcntl(a.get(), F_DUPFD_CLOEXEC, 4)), at3(::fcntl(b.get(), F_DUPFD_CLOEXEC, 3));
  SpawnRequest request = shell("cat <&3; cat <&4");
  request.inherited = {at4.get(), at3.get()};
  EXPECT_EQ(output_of(request), "content");
}

TEST(Child, HasTheEnvironmentPlusAdditions) {
  ::setenv("COTENANT_TEST_KEPT", "kept", 1);
  ::setenv("COTENANT_TEST_CHANGED", "old", 1);
  SpawnRequest request = shell("echo $COTENANT_TEST_KEPT $COTENANT_TEST_CHANGED $COTENANT_TEST_NEW");
  request.environment = {{"COTENANT_TEST_CHANGED", "changed"}, {"COTENANT_TEST_NEW", "new"}};
  EXPECT_EQ(output_of(request), "kept changed new\n");
}

TEST(Child, DoesNotInheritBlockedSignals) {
  const SignalWatch watch;
  Child child(shell("exec sleep 100"));
  ::kill(child.pid(), SIGTERM);
  const auto status = child.wait_until(now_ns() + s_to_ns(20));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->signal, SIGTERM);
}

TEST(Child, ReportsAProgramThatIsNotThere) {
  SpawnRequest request;
  request.executable = "/nowhere/to/be/found";
  EXPECT_THROW(Child{request}, Error);
}

TEST(SignalWatch, TakesSignalsOneByOne) {
  SignalWatch watch;
  EXPECT_FALSE(watch.take());
  ::kill(::getpid(), SIGTERM);
  EXPECT_EQ(watch.take(), SIGTERM);
  ::kill(::getpid(), SIGINT);
  EXPECT_EQ(watch.take(), SIGINT);
  EXPECT_FALSE(watch.take());
}

// As under nohup, or in a background job of a script.
TEST(SignalWatch, LeavesIgnoredSignalsIgnored) {
  ::signal(SIGHUP, SIG_IGN);
  {
    SignalWatch watch;
    ::kill(::getpid(), SIGHUP);
    EXPECT_FALSE(watch.take());
  }
  ::signal(SIGHUP, SIG_DFL);
  SignalWatch watch;
  ::kill(::getpid(), SIGHUP);
  EXPECT_EQ(watch.take(), SIGHUP);
}

// A driver that starts a process and is then killed, in such a way that no destructor runs.
pid_t orphan_of_a_killed_driver(const std::function<void(Keeper&, pid_t)>& orders) {
  const TemporaryDirectory directory;
  const std::string file = (directory.path() / "watched_pid").string();
  const pid_t driver = ::fork();
  if (driver == 0) {
    Keeper keeper(binary());
    Child child(shell("exec sleep 1000"));
    orders(keeper, child.pid());
    std::ofstream(file) << child.pid() << std::endl;
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(driver, &status, 0), driver);
  pid_t orphan = 0;
  std::ifstream(file) >> orphan;
  return orphan;
}

TEST(Keeper, EndsWhatAKilledDriverLeft) {
  const pid_t orphan = orphan_of_a_killed_driver([](Keeper& keeper, pid_t child) { keeper.watch(child); });
  ASSERT_GT(orphan, 0);
  EXPECT_TRUE(ends_within(orphan, 2));
}

// By pid, from outside; one with the same orders takes its place.
TEST(Keeper, IsRevivedWithItsOrders) {
  const pid_t orphan = orphan_of_a_killed_driver([](Keeper& keeper, pid_t child) {
    keeper.watch(child);
    EXPECT_FALSE(keeper.revive());
    std::ifstream children("/proc/thread-self/children");
    pid_t keeper_pid = 0;
    children >> keeper_pid;  // the first that was started
    ::kill(keeper_pid, SIGKILL);
    std::optional<std::string> end;
    while (!end) end = keeper.revive();
    if (end != "killed by SIGKILL") ::_exit(1);
  });
  ASSERT_GT(orphan, 0);
  EXPECT_TRUE(ends_within(orphan, 2));
}

TEST(Keeper, LeavesAloneWhatItWasToldToForget) {
  const pid_t orphan = orphan_of_a_killed_driver([](Keeper& keeper, pid_t child) {
    keeper.watch(child);
    keeper.forget(child);
  });
  ASSERT_GT(orphan, 0);
  EXPECT_FALSE(ends_within(orphan, 0.5));
  ::kill(-orphan, SIGKILL);
}

// A process with this number, leading a group as a worker does. 0: the kernel gives no number on request.
pid_t fork_with_number(pid_t wanted) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    if (!(std::ofstream("/proc/sys/kernel/ns_last_pid") << wanted - 1 << std::flush)) return 0;
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setpgid(0, 0);
      ::close_range(3, ~0U, 0);  // the keeper's pipe
      for (;;) ::pause();
    }
    if (pid == wanted) return pid;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  return 0;
}

// The worker has ended and is reaped, the keeper was not yet told to forget it, and its number has gone to a bystander.
TEST(Keeper, DoesNoHarmToAnotherProcessWithTheNumberOfAReapedOne) {
  pid_t bystander = 0;
  int status = 0;
  {
    Keeper keeper(binary());
    Child worker(shell("exec sleep 1000"));
    keeper.watch(worker.pid());
    sleep_until_ns(now_ns() + 300'000'000);  // the keeper has it
    worker.kill();
    bystander = fork_with_number(worker.pid());
    if (bystander == 0) GTEST_SKIP() << "may not choose the number of a process (/proc/sys/kernel/ns_last_pid)";
  }  // the driver is gone, and the keeper has done its work
  EXPECT_EQ(::waitpid(bystander, &status, WNOHANG), 0) << "it was killed";
  ::kill(bystander, SIGKILL);
  ::waitpid(bystander, &status, 0);
}

// A path is data, whatever stands in it: here what would be an order, about a process that is none of ours.
TEST(Keeper, APathIsNoOrder) {
  Child bystander(shell("exec sleep 1000"));
  const TemporaryDirectory root;
  const std::string place = root.path().string() + "/tab\there\\n\nwatch " + std::to_string(bystander.pid()) + "\n";
  std::filesystem::create_directory(place);
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before ? before : "/tmp";
  setenv("TMPDIR", place.c_str(), 1);
  const TemporaryDirectory undone;
  EXPECT_EQ(undone.path().parent_path(), place);
  const pid_t orphan = orphan_of_a_killed_driver([&](Keeper& keeper, pid_t child) {
    keeper.watch(child);
    keeper.at_end({"remove-temporary", undone.path().string()});
    keeper.last_words("killed\nwatch " + std::to_string(bystander.pid()));
  });
  EXPECT_TRUE(ends_within(orphan, 2));
  const int64_t until_ns = now_ns() + 5'000'000'000;
  while (std::filesystem::exists(undone.path()) && now_ns() < until_ns) sleep_until_ns(now_ns() + 10'000'000);
  EXPECT_FALSE(std::filesystem::exists(undone.path()));
  EXPECT_FALSE(bystander.status()) << "it was killed";
  setenv("TMPDIR", kept.c_str(), 1);
}

// `mps-quit` removes a daemon's temporary directory, also where there is no daemon in it.
TEST(Keeper, RunsWhatIsToBeUndone) {
  const TemporaryDirectory first, second;
  const std::string undone = first.path().string(), done = second.path().string();
  for (const std::string& directory : {undone, done}) std::filesystem::create_directory(directory + "/pipe");
  const pid_t orphan = orphan_of_a_killed_driver([&](Keeper& keeper, pid_t child) {
    keeper.watch(child);
    keeper.at_end({"mps-quit", undone});
    keeper.at_end({"mps-quit", done});
    keeper.not_at_end({"mps-quit", done});
  });
  ASSERT_GT(orphan, 0);
  const int64_t until_ns = now_ns() + s_to_ns(5);
  while (std::filesystem::exists(undone) && now_ns() < until_ns) sleep_until_ns(now_ns() + 5'000'000);
  EXPECT_FALSE(std::filesystem::exists(undone));
  EXPECT_TRUE(std::filesystem::exists(done));
}

}  // namespace
}  // namespace cotenant
