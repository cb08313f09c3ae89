#include "process/supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/processes.h"
#include "base/temporary_directory.h"
#include "places.h"
#include "process/words.h"

namespace cotenant {
namespace {

class SupervisorTest : public testing::Test {
 protected:
  ProgramRequest shell(const std::string& script) const { return {.file = "/bin/sh", .command = {"sh", "-c", script}}; }
  std::string at(const std::string& name) const { return (directory_.path() / name).string(); }

  // The pid that the program writes into a file once it runs.
  pid_t pid_in(const std::string& name) const {
    pid_t pid = 0;
    const int64_t until_ns = now_ns() + s_to_ns(20);
    while (pid == 0 && now_ns() < until_ns) {
      std::ifstream(at(name)) >> pid;
      sleep_until_ns(now_ns() + 2'000'000);
    }
    EXPECT_GT(pid, 1) << name;
    return pid;
  }
  bool is_gone(pid_t pid) const {
    const auto state = process_state(pid);
    return !state || state->state == 'Z';
  }
  bool goes(pid_t pid, double seconds = 10) const {
    const int64_t until_ns = now_ns() + s_to_ns(seconds);
    while (!is_gone(pid) && now_ns() < until_ns) sleep_until_ns(now_ns() + 5'000'000);
    return is_gone(pid);
  }
  std::optional<ExitStatus> end_of(SupervisedProgram& program) const {
    return program.wait_until(now_ns() + s_to_ns(20));
  }

  // A daemon by the book: a second fork in a session of its own, and no descriptor kept.
  std::string daemon_script() const {
    return "setsid sh -c 'echo $$ > " + at("daemon") + "; exec sleep 300' > /dev/null 2>&1 < /dev/null & ";
  }

  const TemporaryDirectory directory_;
  Keeper keeper_{binary()};
};

TEST_F(SupervisorTest, EndsAsItsProgramDoes) {
  SupervisedProgram failing(binary(), shell("exit 7"), keeper_);
  EXPECT_EQ(end_of(failing)->code, 7);
  SupervisedProgram killed(binary(), shell("kill -SEGV $$"), keeper_);
  EXPECT_EQ(end_of(killed)->signal, SIGSEGV);
  SupervisedProgram good(binary(), shell("true"), keeper_);
  EXPECT_TRUE(end_of(good)->clean());
}

TEST_F(SupervisorTest, GivesTheProgramItsArgumentsEnvironmentAndDescriptors) {
  const int out = ::open(at("out").c_str(), O_WRONLY | O_CREAT, 0600);
  const int err = ::open(at("err").c_str(), O_WRONLY | O_CREAT, 0600);
  ProgramRequest request = shell("printf '%s|' \"$0\" \"$@\" $MARK; echo oops >&2; ls /proc/self/fd | wc -l >&2");
  request.command.insert(request.command.end(), {"zero", "a b", "", "tab\there", "line\nbreak", "back\\slash"});
  request.environment = {{"MARK", "set"}};
  request.output = out;
  request.error = err;
  SupervisedProgram program(binary(), request, keeper_);
  ASSERT_TRUE(end_of(program)->clean());
  std::string printed, word;
  std::getline(std::ifstream(at("out")), printed, '\0');
  EXPECT_EQ(printed, "zero|a b||tab\there|line\nbreak|back\\slash|set|");
  std::ifstream errors(at("err"));
  errors >> word;
  EXPECT_EQ(word, "oops");
  errors >> word;
  EXPECT_EQ(word, "4") << "standard ones, and the directory that ls reads";
}

TEST_F(SupervisorTest, ADaemonIsPartOfTheProgramAndEndsWithIt) {
  SupervisedProgram program(binary(), shell(daemon_script() + "exit 0"), keeper_);
  const pid_t daemon = pid_in("daemon");
  sleep_until_ns(now_ns() + 100'000'000);
  EXPECT_FALSE(program.status()) << "what it has started goes on";
  program.end(5);
  EXPECT_TRUE(end_of(program));
  EXPECT_TRUE(goes(daemon));
}

TEST_F(SupervisorTest, APartThatIgnoresItsEndIsKilled) {
  SupervisedProgram program(
      binary(), shell("trap '' TERM; echo $$ > " + at("first") + "; while :; do sleep 0.05; done"), keeper_);
  const pid_t first = pid_in("first");
  program.end(0.2);
  EXPECT_TRUE(end_of(program));
  EXPECT_TRUE(goes(first));
}

TEST_F(SupervisorTest, AProgramMayPutItselfInOrderBeforeItEnds) {
  SupervisedProgram program(binary(),
                            shell("trap 'echo 1 > " + at("tidy") + "; exit 3' TERM; echo $$ > " + at("first") +
                                  "; while :; do sleep 0.05; done"),
                            keeper_);
  pid_in("first");
  program.end(10);
  EXPECT_EQ(end_of(program)->code, 3);
  EXPECT_TRUE(std::ifstream(at("tidy")).good());
}

TEST_F(SupervisorTest, WhatAFailedProgramLeavesIsKilled) {
  SupervisedProgram program(binary(), shell(daemon_script() + "sleep 0.3; exit 4"), keeper_);
  const pid_t daemon = pid_in("daemon");
  EXPECT_EQ(end_of(program)->code, 4);
  EXPECT_TRUE(goes(daemon));
}

TEST_F(SupervisorTest, AKilledSupervisorLeavesNoProgram) {
  SupervisedProgram program(binary(), shell("echo $$ > " + at("first") + "; sleep 300"), keeper_);
  const pid_t first = pid_in("first");
  sleep_until_ns(now_ns() + 50'000'000);
  EXPECT_FALSE(program.status());
  ::kill(program.pid(), SIGKILL);
  EXPECT_EQ(end_of(program)->signal, SIGKILL);
  EXPECT_TRUE(goes(first));
}

TEST_F(SupervisorTest, AStoppedSupervisorIsKilledWithItsProgram) {
  pid_t daemon = 0;
  {
    SupervisedProgram program(binary(), shell(daemon_script() + "sleep 300"), keeper_);
    daemon = pid_in("daemon");
    ::kill(program.pid(), SIGSTOP);
  }
  EXPECT_TRUE(goes(daemon));
}

TEST_F(SupervisorTest, TheKeeperEndsWhatLeftTheGroup) {
  pid_t daemon = 0;
  {
    std::optional<Keeper> keeper(binary());
    SupervisedProgram program(binary(), shell(daemon_script() + "sleep 300"), *keeper);
    daemon = pid_in("daemon");
    ::kill(program.pid(), SIGSTOP);  // one that cannot do it by itself
    keeper.emplace(binary());        // as if this process had ended: the first one's pipe closes
    EXPECT_TRUE(goes(daemon));
  }
}

TEST_F(SupervisorTest, AFileThatCannotRunIsAnExitCodeOfItsOwn) {
  std::ofstream(at("text")) << "no program\n";
  ::chmod(at("text").c_str(), 0700);
  SupervisedProgram program(binary(), {.file = at("text"), .command = {"text"}}, keeper_);
  EXPECT_EQ(end_of(program)->code, 127);
}

TEST(Words, ComeBackAsTheyWere) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{""}, {"a", "", "b"}, {"tab\t", "\nline", "\\", "\\t"}, {"\xff\x01"}})
    EXPECT_EQ(split(joined(words)), words);
}

}  // namespace
}  // namespace cotenant
