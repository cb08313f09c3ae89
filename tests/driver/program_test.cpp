#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/processes.h"
#include "command.h"
#include "engine/command/progress_pattern.h"
#include "results/program_log.h"

// Tenants that are programs which go on by themselves (engine: command), with real ones.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class CommandTenant : public DriverTest {
 protected:
  // A neighbour of a known cost, and `script` run by sh. `keys`: of the tenant, besides.
  void write_pair(const std::string& script, const std::string& keys = steps_, double min_duration_s = 0.5) const {
    write("program.sh", script);
    write("pair.yaml",
          "experiment_name: pair\ndevice: cpu\nwarmup_s: 0\nmin_duration_s: " + std::to_string(min_duration_s) +
              "\ntenants:\n"
              "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}\n"
              "  - name: b\n"
              "    engine: command\n"
              "    command: [sh, program.sh, \"" +
              directory_.path().string() + "\"]\n" + keys);
  }
  static std::string steps(int count, const char* delay_s = "0.01") {
    return "i=0; while [ $i -lt " + std::to_string(count) + " ]; do sleep " + delay_s +
           "; i=$((i+1)); echo step $i; done\n";
  }
  // Writes down who it is, and leaves a daemon.
  static std::string with_daemon() {
    return "echo $$ > $1/first\nsetsid sh -c 'echo $$ > '$1'/daemon; exec sleep 300' >/dev/null 2>&1 </dev/null &\n";
  }
  pid_t pid_in(const std::string& name) const {
    pid_t pid = 0;
    eventually([&] { return bool(std::ifstream(at(name)) >> pid); });
    return pid;
  }
  void expect_gone(const std::vector<pid_t>& pids) const {
    for (const pid_t pid : pids) {
      EXPECT_GT(pid, 1);
      EXPECT_TRUE(eventually([&] { return is_gone(pid); }, 5)) << pid;
    }
  }
  bool is_running() const {
    return eventually([&] { return fs::exists(at("data/pair.staging/experiment.json")); });
  }

  static constexpr const char* steps_ = "    progress: 'step (?<iter>\\d+)'\n    num_iters: 20\n";
};

TEST_F(CommandTenant, ItsIterationsAreSeen) {
  write_pair("echo starting >&2\n" + steps(100000),
             std::string(steps_) + "    samples_per_step: 8\n    tokens_per_step: 1024\n");
  const Finished finished = run("run pair.yaml");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const auto seen = iterations("data/pair", "b");
  ASSERT_GE(seen.size(), 20u);
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].iter, static_cast<int64_t>(i));
    EXPECT_EQ(seen[i].tokens_in, 1024);
    EXPECT_GE(*seen[i].start_s, 0);
    if (i == 0) continue;
    EXPECT_EQ(*seen[i].start_s, *seen[i - 1].end_s) << "from one line to the next";
  }
  // A step takes 10 ms and more; a line that is seen late makes one iteration longer and the next one shorter.
  EXPECT_GE(*seen.back().end_s - *seen.front().start_s, 9e-3 * static_cast<double>(seen.size()));
  const std::string log = read("data/pair/b/program.log");
  EXPECT_THAT(log, testing::StartsWith("starting\nstep 1\n"));
  const TenantRecord tenant = record("data/pair").tenants[1];
  EXPECT_EQ(tenant.engine_name(), "command");
  EXPECT_EQ(tenant.batch_size, 8);
  EXPECT_EQ(tenant.seq_len, 128);
}

TEST_F(CommandTenant, MeasuredAloneItHasASlowdown) {
  write_pair(steps(100000));
  const Finished finished = run("run pair.yaml --baselines --json");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_EQ(record("data/pair/baselines/sh_b1_L1").tenants[0].name, "b");
  EXPECT_THAT(finished.out, HasSubstr("\"slowdown\""));
}

TEST_F(CommandTenant, WithoutProgressItIsALoad) {
  write_pair("while :; do echo busy; sleep 0.01; done", "");
  const Finished finished = run("run pair.yaml --baselines --json");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_TRUE(iterations("data/pair", "b").empty());
  EXPECT_GT(iterations("data/pair", "a").size(), 100u);
  EXPECT_THAT(read("data/pair/b/program.log"), testing::StartsWith("busy\n"));
  for (const char* command :
       {"analyze data/pair", "trace data/pair", "export data/pair", "compare data/pair data/pair"})
    EXPECT_EQ(run(command).status.code, 0) << command;
}

TEST_F(CommandTenant, ItHasItsEnvironmentAndNoOtherDescriptors) {
  write_pair("ls /proc/self/fd | wc -l; echo cuda=$CUDA_VISIBLE_DEVICES. omp=$OMP_NUM_THREADS; pwd; " + steps(100000),
             std::string(steps_) + "    threads: 3\n");
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  EXPECT_THAT(read("data/pair/b/program.log"),
              testing::StartsWith("4\ncuda=. omp=3\n" + fs::canonical(root_).string() + "\n"));
}

TEST_F(CommandTenant, ItsProcessesAreNobodyElses) {
  write_pair("for i in 1 2; do sh -c 'while :; do :; done' & done\n" + steps(100000), steps_, 1);
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  const ExperimentRecord record = this->record("data/pair");
  EXPECT_THAT(record.foreign.top_process, Not(HasSubstr("sh (pid")));
  const std::string telemetry = read("data/pair/telemetry.jsonl");
  double most = 0;  // cores that it kept busy in some sample
  for (size_t at = telemetry.find("\"b\""); at != std::string::npos; at = telemetry.find("\"b\"", at + 1)) {
    const size_t busy = telemetry.find("\"busy_cores\":", at);
    if (busy != std::string::npos) most = std::max(most, std::stod(telemetry.substr(busy + 13)));
  }
  EXPECT_GT(most, 0.3);
}

TEST_F(CommandTenant, IsToldOfBeforeAnythingStarts) {
  const auto refused = [&](const std::string& tenant, const std::string& what) {
    write("pair.yaml",
          "experiment_name: pair\ndevice: cpu\ntenants:\n"
          "  - {name: a, engine: stress}\n  - {name: b, " +
              tenant + "}\n");
    const Finished finished = run("run pair.yaml");
    EXPECT_EQ(finished.status.code, 2) << tenant;
    EXPECT_THAT(finished.err, HasSubstr(what)) << tenant;
    EXPECT_FALSE(fs::exists(at("data"))) << tenant;
  };
  refused("engine: command, command: [no-such-program]", "there is no program no-such-program on PATH");
  refused("engine: command, command: [./pair.yaml]", "./pair.yaml cannot be run: Permission denied");
  refused("engine: command, command: [/tmp]", "/tmp cannot be run: it is a directory");
  refused("engine: command", "expected it with engine: command");
  refused("engine: command, command: sleep 10", "No shell reads it");
  refused("engine: command, command: []", "a list of 1 to");
  refused("engine: stress, command: [sleep, 10]", "expected engine: external, command or server beside it");
  refused("engine: stress, progress: x", "expected engine: command beside it");
  refused("engine: command, command: [sleep, 10], batch_size: 4", "Use samples_per_step");
  refused("engine: command, command: [sleep, 10], tokens_per_step: 4", "expected progress beside it");
  refused("engine: command, command: [sleep, 10], progress: 'step (\\d+'", "missing closing parenthesis");
  refused("engine: command, command: [sleep, 10], progress: '\\d*'", "not every line matches");
  refused("engine: command, command: [sleep, 10], progress: x, samples_per_step: 3, tokens_per_step: 8", "a multiple");
  refused("engine: command, command: [sleep, 10], memory_limit: 1G", "expected sharing.mode mps for a program");
}

TEST_F(CommandTenant, AloneItNeedsProgress) {
  write("one.yaml", "device: cpu\nsingle_model: {engine: command, command: [sleep, 10]}\n");
  const Finished finished = run("run one.yaml");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("there would be nothing to measure"));
}

TEST_F(CommandTenant, AFailureIsATenantsDeath) {
  write_pair(with_daemon() + steps(30) + "echo no such luck\nexit 7\n", steps_, 30);
  const Finished finished = run("run pair.yaml");
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("b died in phase run: its program ended: exit code 7: no such luck"));
  EXPECT_GT(iterations("data/pair.incomplete", "b").size(), 5u);
  EXPECT_GT(iterations("data/pair.incomplete", "a").size(), 5u);
  EXPECT_THAT(read("data/pair.incomplete/b/program.log"), HasSubstr("no such luck"));
  expect_gone({pid_in("first"), pid_in("daemon")});
}

TEST_F(CommandTenant, AFailureOfALoadIsATenantsDeath) {
  write_pair("sleep 1; echo no such luck >&2; exit 7\n", "", 30);
  const Finished finished = run("run pair.yaml");
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("b died in phase run: its program ended: exit code 7: no such luck"));
}

TEST_F(CommandTenant, AnEarlyEndMakesTheRunInvalid) {
  write_pair(steps(40), steps_, 30);
  EXPECT_EQ(run("run pair.yaml").status.code, 4);
  const ExperimentRecord record = this->record("data/pair");
  ASSERT_EQ(record.validity.reasons.size(), 1u);
  EXPECT_THAT(record.validity.reasons[0], HasSubstr("the program of b ended by itself (exit code 0)"));
  EXPECT_GT(iterations("data/pair", "b").size(), 20u);
}

TEST_F(CommandTenant, AnEndBeforeTheMeasurementIsATenantsDeath) {
  write_pair("echo step 1\nsleep 0.2\n");
  const Finished finished = run("run pair.yaml");
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("b died in phase warm up: its program ended: exit code 0: step 1"));
}

TEST_F(CommandTenant, WithAFixedNumberItIsEndedBehindIt) {
  write_pair(with_daemon() + steps(100000));
  write("pair.yaml", "corun: fixed\n" + read("pair.yaml"));
  EXPECT_EQ(run("run pair.yaml --set tenants.a.num_iters=1000 --set min_duration_s=0").status.code, 0);
  EXPECT_EQ(iterations("data/pair", "b").size(), 20u);
  expect_gone({pid_in("first"), pid_in("daemon")});
}

TEST_F(CommandTenant, ThatNothingMatchesIsSaid) {
  write_pair("while :; do echo epoch 3; sleep 0.05; done\n");
  const Finished finished = run("run pair.yaml --deadline 11");
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("\nb: no line has matched progress for 10 s")) << "while it goes on";
  EXPECT_THAT(finished.err, HasSubstr("hung: did not finish phase prepare within 11 s: no line has matched"));
  EXPECT_THAT(finished.err, HasSubstr("the last one \"epoch 3\""));
}

TEST_F(CommandTenant, EndsWithTheRunWhateverItBecomes) {
  write_pair(with_daemon() + "trap '' TERM HUP INT\n" + steps(100000));
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  expect_gone({pid_in("first"), pid_in("daemon")});
}

TEST_F(CommandTenant, NothingOutlivesAKilledDriver) {
  write_pair(with_daemon() + steps(100000), steps_, 60);
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  ::kill(driver->pid(), SIGKILL);
  expect_gone({pid_in("first"), pid_in("daemon")});
  driver->wait_until(now_ns() + s_to_ns(10));
}

TEST_F(CommandTenant, NothingOutlivesAKilledDriverAndKeeper) {
  write_pair(with_daemon() + steps(100000), steps_, 60);
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  pid_t keeper = 0;
  for (const auto& [pid, state] : process_table()) {
    std::string name;
    if (state.parent == driver->pid()) std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/comm"), name);
    if (name == "cotenant-keeper") keeper = pid;
  }
  ASSERT_GT(keeper, 1);
  ::kill(keeper, SIGKILL);
  ::kill(driver->pid(), SIGKILL);
  expect_gone({pid_in("first"), pid_in("daemon")});
  driver->wait_until(now_ns() + s_to_ns(10));
}

TEST_F(CommandTenant, NothingOutlivesAKilledWorker) {
  write_pair(with_daemon() + steps(100000), steps_, 60);
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  ::kill(workers_of(driver->pid()).at(1), SIGKILL);
  EXPECT_EQ(finish(*driver).status.code, 3);
  expect_gone({pid_in("first"), pid_in("daemon")});
}

TEST_F(CommandTenant, AKilledProgramIsATenantsDeath) {
  write_pair(with_daemon() + steps(100000), steps_, 60);
  const auto driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  ::kill(pid_in("first"), SIGKILL);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3);
  EXPECT_THAT(finished.err, HasSubstr("b died in phase run: its program ended: killed by SIGKILL"));
  expect_gone({pid_in("daemon")});
}

TEST_F(CommandTenant, AFloodIsCutAndHoldsUpNobody) {
  write_pair("echo step 1; sleep 0.3; echo step 2; yes | head -c 40000000 >&2; " + steps(100000), steps_, 1);
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  EXPECT_LE(fs::file_size(at("data/pair/b/program.log")), ProgramLog::most_bytes + 100);
}

TEST(ProgressPattern, FindsTheIterationsNumber) {
  ProgressPattern pattern("step (?<iter>\\d+)");
  EXPECT_EQ(pattern.find("epoch 1, step 42: loss 0.3")->iter, 42);
  EXPECT_FALSE(pattern.find("step one"));
  EXPECT_FALSE(pattern.find("step 99999999999999999999")->iter) << "no number that can be held";
  EXPECT_FALSE(ProgressPattern("done").find("done")->iter);
  EXPECT_EQ(pattern.find("\xff\xfe step 7\x80")->iter, 7) << "lines need not be UTF-8";
}

// This pattern tries 2^n ways on a line of n letters that it does not match.
TEST(ProgressPattern, GivesUpWhatTakesTooLong) {
  ProgressPattern pattern("^(a+)+$");
  EXPECT_FALSE(pattern.find(std::string(50000, 'a') + "b"));
  EXPECT_EQ(pattern.given_up(), 1);
  EXPECT_TRUE(pattern.find("aaaa"));
}

}  // namespace
}  // namespace cotenant
