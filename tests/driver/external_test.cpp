#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <string>

#include "base/clock.h"
#include "base/processes.h"
#include "command.h"
#include "places.h"

// Tenants whose requests a program executes (engine: external), with a real one that misbehaves when it is told to.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ExternalTenant : public DriverTest {
 protected:
  // Beside a neighbour of a known cost. `arguments`: of external_program.py; `keys`: of the tenant.
  void write_pair(const std::vector<std::string>& arguments = {}, const std::string& keys = "",
                  double min_duration_s = 0.3) const {
    write("pair.yaml",
          "experiment_name: pair\ndevice: cpu\nwarmup_s: 0\nmin_duration_s: " + std::to_string(min_duration_s) +
              "\ntenants:\n"
              "  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20}\n"
              "  - {name: b, engine: external, model_name: some/model, batch_size: 2, seq_len: 8, "
              "num_iters: 20, num_warmup: 2, command: [python3, " +
              source_dir() + "/tests/driver/external_program.py" + listed(arguments) + "]" + keys + "}\n");
  }
  static std::string listed(const std::vector<std::string>& arguments) {
    std::string list;
    for (const std::string& argument : arguments) list += ", '" + argument + "'";
    return list;
  }
  // The tenant dies with this message, and nothing is left.
  void expect_death(const std::vector<std::string>& arguments, const std::string& message, const std::string& keys = "",
                    const std::string& options = "") const {
    write_pair(arguments, keys, 60);
    const Finished finished = run("run pair.yaml " + options);
    EXPECT_EQ(finished.status.code, 3) << listed(arguments) << "\n" << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("b died in phase ")) << listed(arguments);
    EXPECT_THAT(finished.err, HasSubstr(message)) << listed(arguments);
    EXPECT_TRUE(eventually([&] { return programs().empty(); }, 5)) << listed(arguments);
  }
  // Of this test, by their directory and command lines: others run beside it.
  std::vector<pid_t> programs() const {
    std::vector<pid_t> found;
    std::error_code error;
    for (const pid_t pid : all_processes()) {
      const fs::path directory = fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd", error);
      if (error || directory != fs::canonical(at(""))) continue;
      std::string text;
      std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/cmdline"), text);
      if (text.substr(0, text.find('\0')).find("python") != std::string::npos &&
          text.find("external_program.py") != std::string::npos && !is_gone(pid))
        found.push_back(pid);
    }
    return found;
  }
  bool is_running() const {
    return eventually([&] { return fs::exists(at("data/pair.staging/experiment.json")); });
  }
};

TEST_F(ExternalTenant, ItsRequestsAreMeasured) {
  write_pair();
  const Finished finished = run("run pair.yaml");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const auto requests = iterations("data/pair", "b");
  ASSERT_GE(requests.size(), 20u);
  EXPECT_EQ(requests[5].tokens_in, 16);
  EXPECT_THAT(read("data/pair/b/events.jsonl"), HasSubstr("\"gpu_ms\":0.25,"));
  const TenantRecord tenant = record("data/pair").tenants[1];
  EXPECT_EQ(tenant.engine_name(), "external");
  EXPECT_EQ(tenant.weights_bytes, 4096u);
  EXPECT_EQ(tenant.weights_origin, "nothing");
  EXPECT_EQ(tenant.input_hash.size(), 16u);
  const std::string log = read("data/pair/b/program.log");
  EXPECT_THAT(log, HasSubstr("loading some/model\ninput 16 True True"));
  EXPECT_THAT(log, HasSubstr("stopping\n"));
}

TEST_F(ExternalTenant, GeneratesTokens) {
  write_pair({}, ", task: generate, max_new_tokens: 5");
  ASSERT_EQ(run("run pair.yaml").status.code, 0);
  const auto requests = iterations("data/pair", "b");
  ASSERT_GE(requests.size(), 20u);
  EXPECT_EQ(requests[5].tokens_out, 10);
  EXPECT_EQ(requests[5].token_s.size(), 5u);
  EXPECT_TRUE(requests[5].ttft_ms);
  EXPECT_EQ(record("data/pair").tenants[1].tokens_hash.size(), 16u);
}

TEST_F(ExternalTenant, RequestsMayOverlapAndEndInAnyOrder) {
  write_pair({"never", "overlap"}, ", workload: {concurrency: 2}");
  const Finished finished = run("run pair.yaml");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  bool overlaps = false, is_out_of_order = false;
  const auto requests = iterations("data/pair", "b");
  for (size_t i = 1; i < requests.size(); ++i) {
    overlaps = overlaps || *requests[i].start_s < *requests[i - 1].end_s;
    is_out_of_order = is_out_of_order || requests[i].iter < requests[i - 1].iter;
  }
  EXPECT_TRUE(overlaps);
  EXPECT_TRUE(is_out_of_order);
}

TEST_F(ExternalTenant, WithBaselinesItHasASlowdown) {
  write_pair();
  const Finished finished = run("run pair.yaml --baselines --json");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_TRUE(fs::exists(at("data/pair/baselines/some_model_b2_L8")));
  EXPECT_THAT(finished.out, HasSubstr("\"slowdown\""));
}

TEST_F(ExternalTenant, WhatItDoesWrongIsOneClearMessage) {
  expect_death({"hello", "say", "Loading checkpoint shards"}, "no JSON): Loading checkpoint shards");
  expect_death({"hello", "say", "{\"type\":\"hello\",\"version\":2}"}, "speaks version 2 of the protocol, not 1");
  expect_death({"load", "say", "{\"type\":\"error\",\"error\":\"out of memory\"}"}, "failed: out of memory");
  expect_death({"load", "say", "{\"type\":\"done\",\"id\":3}"}, "said done where loaded was expected");
  expect_death({"warm", "exit", "9"}, "its program ended: exit code 9: no such luck");
}

TEST_F(ExternalTenant, WhatItDoesWrongInTheRunIsToldAndKeepsTheSamples) {
  const auto expect = [&](const std::vector<std::string>& arguments, const std::string& message,
                          const std::string& keys = "") {
    expect_death(arguments, message, keys);
    EXPECT_GT(iterations("data/pair.incomplete", "b").size(), 20u) << listed(arguments);
    EXPECT_GT(iterations("data/pair.incomplete", "a").size(), 0u) << listed(arguments);
  };
  expect({"8000", "say", "nonsense"}, "no JSON): nonsense");
  expect({"8000", "say", "{\"type\":\"done\",\"id\":7}"}, "said done of request 7, which it does not have");
  expect({"8000", "say", "{\"type\":\"token\",\"id\":8000}"}, "gave more tokens of request 8000 than were asked for");
  expect({"8000", "say", "{\"type\":\"warm\"}"}, "said warm where none was expected");
  expect({"8000", "say", "{\"type\":\"done\",\"id\":8000}"}, "said done of request 8000 without a token",
         ", task: generate, max_new_tokens: 2");
  expect({"8000", "half"}, "closed its standard output in the middle of a line");
  expect({"8000", "endless"}, "printed a line of more than 1048576 bytes");
  expect({"8000", "close"}, "closed its standard output");
  expect({"8000", "exit", "3"}, "its program ended: exit code 3: no such luck");
}

TEST_F(ExternalTenant, AHangIsGivenUp) {
  expect_death({"load", "hang"}, "hung: did not finish phase load within 2 s", "", "--deadline 2");
  expect_death({"8000", "hang"}, "hung: finished no request for 2 s", "", "--deadline 2");
}

TEST_F(ExternalTenant, AFloodOfErrorsHoldsUpNobody) {
  write_pair({"10", "flood"});
  const Finished finished = run("run pair.yaml");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
}

TEST_F(ExternalTenant, ARequestThatFailsIsRecordedAndMakesTheRunInvalid) {
  write_pair({"all", "fail"}, "", 1);
  const Finished finished = run("run pair.yaml --verbose");
  EXPECT_EQ(finished.status.code, 4);
  EXPECT_THAT(finished.err, HasSubstr("request 999 failed: too hot"));
  EXPECT_GT(record("data/pair").tenants[1].summary.failed, 0);
}

TEST_F(ExternalTenant, NothingOutlivesAKilledDriverOrWorker) {
  write_pair({}, "", 60);
  auto driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  EXPECT_EQ(programs().size(), 1u);
  ::kill(programs().at(0), SIGSTOP);  // one that cannot notice by itself
  ::kill(driver->pid(), SIGKILL);
  EXPECT_TRUE(eventually([&] { return programs().empty(); }, 5));
  driver->wait_until(now_ns() + s_to_ns(10));
  fs::remove_all(at("data"));

  driver = start("run pair.yaml");
  ASSERT_TRUE(is_running());
  ::kill(workers_of(driver->pid()).at(1), SIGKILL);
  EXPECT_EQ(finish(*driver).status.code, 3);
  EXPECT_TRUE(programs().empty());
}

}  // namespace
}  // namespace cotenant
