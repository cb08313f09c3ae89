#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "command.h"
#include "places.h"
#include "process/pipe.h"

// No message ends, holds up or falsifies a measurement, whatever is behind the standard streams.
namespace cotenant {
namespace {

using testing::HasSubstr;

constexpr const char* kPair = R"(experiment_name: pair
device: cpu
min_duration_s: 0.3
warmup_s: 0
tenants:
  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}
  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 20}
)";

class MessagesTest : public DriverTest {
 protected:
  void SetUp() override { write("pair.yaml", kPair); }

  void expect_results() const {
    const ExperimentRecord record = this->record("data/pair");
    EXPECT_TRUE(record.validity.complete);
    for (const TenantRecord& tenant : record.tenants) {
      EXPECT_EQ(tenant.exit.events_dropped, 0);
      EXPECT_GE(iterations("data/pair", tenant.directory).size(), 20u);  // every line of the file is whole
    }
  }

  // A shell in root_; $C is the program, and `output` its standard error and output but where the script says else.
  std::unique_ptr<Child> start_script(const std::string& script, int output) const {
    SpawnRequest request;
    request.executable = "/bin/sh";
    request.arguments = {"-c", "cd '" + root_.string() + "'; C=" + binary() + "; " + script};
    request.output = output;
    return std::make_unique<Child>(request);
  }
};

struct StreamCase {
  std::string name, streams;
};
void PrintTo(const StreamCase& streams, std::ostream* out) {
  *out << streams.streams;
}

class StreamsTest : public MessagesTest, public testing::WithParamInterface<StreamCase> {};

TEST_P(StreamsTest, TheResultsAndTheExitCodeStay) {
  const std::string streams = " " + GetParam().streams + " #";
  EXPECT_EQ(run("run pair.yaml --baselines --verbose" + streams).status.code, 0);
  expect_results();
  EXPECT_EQ(run("run pair.yaml --strict --set max_duration_s=0.2 --set min_duration_s=0.1" + streams).status.code, 4);
  EXPECT_EQ(run("run pair.yaml --set tenants.0.batch_size=no" + streams).status.code, 2);
}

INSTANTIATE_TEST_SUITE_P(All, StreamsTest,
                         testing::Values(StreamCase{"no_error", ">stdout 2>&-"},
                                         StreamCase{"no_output", ">&- 2>stderr"}, StreamCase{"none", "<&- >&- 2>&-"},
                                         StreamCase{"full_error", ">stdout 2>/dev/full"},
                                         StreamCase{"full_output", ">/dev/full 2>stderr"},
                                         StreamCase{"both_full", ">/dev/full 2>/dev/full"},
                                         StreamCase{"read_only", "1</dev/null 2</dev/null"}),
                         [](const auto& info) { return info.param.name; });

TEST_F(MessagesTest, ReadersWhoLeaveEndNothing) {
  const auto [reading, writing] = make_pipe("test");
  const auto shell = start_script("{ $C run pair.yaml --verbose; echo $? >code; } 2>&1 | true", writing.get());
  ASSERT_TRUE(shell->wait_until(now_ns() + s_to_ns(60)));
  ASSERT_TRUE(eventually([&] { return read("code") == "0\n"; }));
  expect_results();
}

TEST_F(MessagesTest, ATableThatCannotBeWrittenIsTold) {
  const Finished finished = run("run pair.yaml >/dev/full 2>stderr #");
  EXPECT_EQ(finished.status.code, 0);
  EXPECT_THAT(finished.err, HasSubstr("standard output: cannot be written: No space left on device"));
  // Where nothing else holds the answer, it is an error.
  EXPECT_EQ(run("run pair.yaml --json >/dev/full 2>stderr #").status.code, 2);
  EXPECT_EQ(run("run pair.yaml --no-save >/dev/full 2>stderr #").status.code, 2);
}

// A pipe that is full and that nobody reads.
std::pair<Fd, Fd> full_pipe() {
  auto ends = make_pipe("test");
  ::fcntl(ends.second.get(), F_SETFL, O_NONBLOCK);
  char bytes[4096] = {};
  while (::write(ends.second.get(), bytes, sizeof bytes) > 0) {
  }
  ::fcntl(ends.second.get(), F_SETFL, 0);
  return ends;
}

TEST_F(MessagesTest, APipeThatNobodyReadsHoldsUpNothing) {
  const auto [reading, writing] = full_pipe();
  const auto driver = start_script("exec $C run pair.yaml --verbose >stdout", writing.get());
  const auto status = driver->wait_until(now_ns() + s_to_ns(60));
  ASSERT_TRUE(status) << "still waiting for somebody to read";
  EXPECT_EQ(status->code, 0);
  EXPECT_THAT(read("stdout"), HasSubstr("pair ("));
  expect_results();
}

// The table waits for its reader, as `| less` needs it, but only when all is measured, and a signal ends that.
TEST_F(MessagesTest, TheTableWaitsForItsReaderWhenAllIsWritten) {
  auto [reading, writing] = full_pipe();
  const auto wait_for_results = [&](Child& driver) {
    ASSERT_TRUE(eventually([&] {
      return std::filesystem::exists(at("data/pair/experiment.json")) && !std::filesystem::exists(at("data/pair.lock"));
    }));
    EXPECT_FALSE(driver.wait_until(now_ns() + 300'000'000));
  };
  const auto interrupted = start_script("exec $C run pair.yaml 2>stderr", writing.get());
  wait_for_results(*interrupted);
  ::kill(interrupted->pid(), SIGINT);
  const auto ended = interrupted->wait_until(now_ns() + s_to_ns(20));
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 0);  // of the run, which is over
  std::filesystem::remove_all(at("data"));

  const auto patient = start_script("exec $C run pair.yaml 2>stderr", writing.get());
  wait_for_results(*patient);
  writing.reset();
  std::string text;
  char bytes[4096];
  for (ssize_t got; (got = ::read(reading.get(), bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<size_t>(got));
  const auto status = patient->wait_until(now_ns() + s_to_ns(20));
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 0);
  EXPECT_THAT(text, HasSubstr("pair ("));
  expect_results();
}

// Ctrl-S, or a connection that has died: a terminal that takes nothing.
TEST_F(MessagesTest, AStoppedTerminalHoldsUpNothing) {
  int master = -1, slave = -1;
  ASSERT_EQ(::openpty(&master, &slave, nullptr, nullptr, nullptr), 0);
  const Fd ours(master), terminal(slave);
  ASSERT_EQ(::tcflow(terminal.get(), TCOOFF), 0);
  const auto driver = start_script("exec $C run pair.yaml --verbose >stdout", terminal.get());
  const auto status = driver->wait_until(now_ns() + s_to_ns(60));
  ASSERT_TRUE(status) << "still waiting for the terminal";
  EXPECT_EQ(status->code, 0);
  expect_results();
}

}  // namespace
}  // namespace cotenant
