#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "command.h"
#include "engine/native/devices.h"
#include "places.h"
#include "process/command.h"
#include "process/signals.h"
#include "sharing/mps.h"

// The ways to share a GPU, with the program itself on a real one. Skipped where there is none.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class GpuSharing : public DriverTest {
 protected:
  void SetUp() override {
    const CudaStatus status = cuda_status();
    if (status.devices.empty()) GTEST_SKIP() << "no CUDA device: " << status.problem;
    sms_ = status.devices[0].sms;
    if (const std::string problem = mps_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }

  // Two distilgpt2 that run for `seconds`.
  void write_pair(const std::string& sharing, double seconds, const std::string& first = "",
                  const std::string& second = "") const {
    write("pair.yaml", "experiment_name: pair\ndevice: cuda\nmin_duration_s: " + std::to_string(seconds) +
                           "\nwarmup_s: 0.3\nsharing: {mode: " + sharing + "}\ntenants:\n" +
                           "  - {model_name: distilgpt2, name: a, weights: random, batch_size: 8, seq_len: 128, "
                           "num_iters: 20" +
                           first + "}\n  - {model_name: distilgpt2, name: b, weights: random, batch_size: 8, " +
                           "seq_len: 128, num_iters: 20" + second + "}\n");
  }
  bool waits_for_run() const {
    const bool running = eventually([&] { return fs::exists(at("data/pair.staging/experiment.json")); });
    sleep_until_ns(now_ns() + s_to_ns(0.5));
    return running;
  }

  int sms_ = 0;
};

// The MPS daemon and servers of this machine whose pipe directory is below a temporary directory of cotenant's.
std::vector<pid_t> mps_programs() {
  std::vector<pid_t> pids;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator("/proc", failed)) {
    std::ifstream file(entry.path() / "comm");
    std::string name;
    if (std::getline(file, name) && name.starts_with("nvidia-cuda-mps"))
      if (const auto pid = static_cast<pid_t>(std::stol(entry.path().filename().string())); !is_gone(pid))
        pids.push_back(pid);
  }
  return pids;
}

std::string environment_of(pid_t pid, const std::string& variable) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
  for (std::string assignment; std::getline(file, assignment, '\0');)
    if (assignment.starts_with(variable + "=")) return assignment.substr(variable.size() + 1);
  return "";
}

fs::path gpu_client() {
  return build_dir() + "/gpu_client";
}

TEST_F(GpuSharing, EveryModeRunsAndGivesWhatItPromises) {
  for (const std::string mode : {"timeslice", "mps", "streams", "green"}) {
    SCOPED_TRACE(mode);
    write_pair(mode, 1);
    const Finished finished = run("run pair.yaml -q");
    ASSERT_EQ(finished.status.code, 0) << finished.err << finished.out;
    const ExperimentRecord record = this->record("data/pair");
    EXPECT_EQ(to_string(record.settings.sharing), mode);
    for (const TenantRecord& tenant : record.tenants) {
      ASSERT_TRUE(tenant.sm_granted);
      if (mode == "green")
        EXPECT_NEAR(*tenant.sm_granted, sms_ / 2, 8);
      else
        EXPECT_EQ(*tenant.sm_granted, sms_);
      EXPECT_EQ(tenant.mps_client, mode == "mps" ? std::optional(true) : std::nullopt);
      EXPECT_GT(tenant.summary.latency.count, 100);
    }
    const bool one_process = mode == "streams" || mode == "green";
    EXPECT_EQ(record.tenants[0].pid == record.tenants[1].pid, one_process);
    std::printf("%s: %.0f tokens/s\n", mode.c_str(), record.device_summary.tokens_per_s.value_or(0));
    if (mode == "mps")
      std::printf("daemon ready %.3f s, gone %.3f s\n", record.daemon.ready_s.value_or(-1),
                  record.daemon.gone_s.value_or(-1));
  }
  EXPECT_THAT(mps_programs(), testing::IsEmpty());
}

TEST_F(GpuSharing, SharesUnderMpsAreSeenByTheTenants) {
  write_pair("mps", 1, ", sm_percent: 25", ", sm_percent: 75");
  const Finished finished = run("run pair.yaml -q");
  ASSERT_EQ(finished.status.code, 0) << finished.err << finished.out;
  const ExperimentRecord record = this->record("data/pair");
  EXPECT_EQ(record.tenants[0].sm_granted, mps_share_sms(25, sms_));
  EXPECT_EQ(record.tenants[1].sm_granted, mps_share_sms(75, sms_));
  EXPECT_GT(*record.tenants[0].summary.latency.p50_ms, *record.tenants[1].summary.latency.p50_ms);
}

TEST_F(GpuSharing, SharesAreRealToOtherPrograms) {
  SignalWatch signals;
  Keeper keeper(binary());
  MpsDaemon daemon(keeper);
  for (const double percent : {100.0, 50.0, 25.0, 10.0}) {
    SpawnRequest request;
    request.executable = gpu_client();
    request.arguments = {"census"};
    request.environment = daemon.environment();
    for (const auto& variable : mps_share_environment(percent, {}, {}, 0)) request.environment.push_back(variable);
    const auto result = run_command(request, "", now_ns() + s_to_ns(60));
    ASSERT_TRUE(result && result->status.clean()) << (result ? result->output : "");
    const auto census = nlohmann::json::parse(result->output);
    EXPECT_EQ(census.at("told_sms"), mps_share_sms(percent, sms_));
    EXPECT_EQ(census.at("used_sms"), mps_share_sms(percent, sms_));
    std::printf("mps at %g%%: %s", percent, result->output.c_str());
  }
}

TEST_F(GpuSharing, AModelSaysTheSameAsAClientOfMps) {
  SignalWatch signals;
  Keeper keeper(binary());
  MpsDaemon daemon(keeper);
  const auto tokens = [&](Environment environment) {
    SpawnRequest request;
    request.executable = binary();
    request.arguments = {"infer",
                         "--model",
                         source_dir() + "/tests/fixtures/models/llama",
                         "--device",
                         "cuda",
                         "--dtype",
                         "float32",
                         "--input-ids",
                         "1,2,3,4,5,6,7,8",
                         "--max-new-tokens",
                         "24"};
    request.environment = std::move(environment);
    const auto result = run_command(request, "", now_ns() + s_to_ns(60));
    EXPECT_TRUE(result && result->status.clean()) << (result ? result->output : "");
    return result ? result->output : "";
  };
  Environment share = daemon.environment();
  for (const auto& variable : mps_share_environment(25, {}, {}, 0)) share.push_back(variable);
  EXPECT_EQ(tokens(share), tokens(without_mps()));
}

TEST_F(GpuSharing, TenantsThatYieldAreCounted) {
  for (const std::string mode : {"mps", "streams", "green"}) {
    SCOPED_TRACE(mode);
    write_pair(mode + ", yield: {quantum_us: 50}", 1, ", priority: 3, workload: {kind: poisson, rate: 300}");
    const Finished finished = run("run pair.yaml -q");
    ASSERT_EQ(finished.status.code, 0) << finished.err << finished.out;
    const ExperimentRecord record = this->record("data/pair");
    ASSERT_TRUE(record.settings.yield && record.tenants[0].yielded && record.tenants[1].yielded);
    EXPECT_EQ(record.tenants[0].yielded->waits, 0);
    EXPECT_GT(record.tenants[1].yielded->gates, 100);
    EXPECT_GT(record.tenants[1].yielded->waits, 100);
    EXPECT_LE(record.tenants[1].yielded->waits, record.tenants[1].yielded->gates);
    EXPECT_GT(record.tenants[1].yielded->waited_ms, 1);
    EXPECT_EQ(record.tenants[1].yielded->bound_hits, 0);
  }
}

// The first one is the urgent one, and is always in the middle of a request.
TEST_F(GpuSharing, AnUrgentTenantThatIsKilledStopsNobody) {
  write_pair("mps, yield: {max_wait_ms: 20000}", 4, ", priority: 3");
  const auto child = start("run pair.yaml -q");
  ASSERT_TRUE(waits_for_run());
  const std::vector<pid_t> workers = workers_of(child->pid());
  ASSERT_EQ(workers.size(), 2u);
  const int64_t killed_ns = now_ns();
  ASSERT_EQ(::kill(std::min(workers[0], workers[1]), SIGKILL), 0);
  const Finished finished = finish(*child);
  EXPECT_LT(now_ns() - killed_ns, 15'000'000'000);
  EXPECT_EQ(finished.status.code, 3) << finished.err;
}

TEST_F(GpuSharing, AnUrgentTenantThatHangsCostsTheBoundAndNoMore) {
  write_pair("mps, yield: {max_wait_ms: 20}", 3, ", priority: 3", ", slo: {latency_ms: 1000}");
  const auto child = start("run pair.yaml -q");
  ASSERT_TRUE(waits_for_run());
  const std::vector<pid_t> workers = workers_of(child->pid());
  ASSERT_EQ(workers.size(), 2u);
  const pid_t urgent = std::min(workers[0], workers[1]);
  ASSERT_EQ(::kill(urgent, SIGSTOP), 0);
  sleep_until_ns(now_ns() + s_to_ns(1));
  ASSERT_EQ(::kill(urgent, SIGCONT), 0);
  finish(*child);
  const ExperimentRecord record = this->record("data/pair");
  ASSERT_TRUE(record.tenants[1].yielded);
  EXPECT_GT(record.tenants[1].yielded->bound_hits, 5);  // in a second, unless it was stopped between two requests
  EXPECT_LT(*record.tenants[1].summary.latency.max_ms, 200);
}

TEST_F(GpuSharing, TenTenantsOfThreeLevelsYield) {
  std::string text =
      "experiment_name: ten\ndevice: cuda\nmin_duration_s: 1\nwarmup_s: 0.3\n"
      "sharing: {mode: mps, yield: {}}\ntenants:\n";
  for (int i = 0; i < 10; ++i)
    text += "  - {model_name: distilgpt2, name: t" + std::to_string(i) +
            ", weights: random, batch_size: 2, seq_len: 64, num_iters: 5, priority: " + std::to_string(i % 3) +
            ", workload: {kind: poisson, rate: 50}}\n";
  write("ten.yaml", text);
  const Finished finished = run("run ten.yaml -q");
  ASSERT_EQ(finished.status.code, 0) << finished.err << finished.out;
  const ExperimentRecord record = this->record("data/ten");
  for (size_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(record.tenants[i].yielded) << i;
    if (i % 3 == 2) {
      EXPECT_EQ(record.tenants[i].yielded->gates, 0) << i;  // nobody is above it
    } else {
      EXPECT_GT(record.tenants[i].yielded->gates, 0) << i;
    }
  }
}

TEST_F(GpuSharing, AModelLargerThanItsMemoryLimitSaysSo) {
  write_pair("mps", 1, ", memory_limit: 100MiB");
  const Finished finished = run("run pair.yaml -q");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("memory_limit"));
  EXPECT_TRUE(eventually([] { return mps_programs().empty(); }, 2));
}

TEST_F(GpuSharing, NothingOfMpsOutlivesAKilledDriver) {
  write_pair("mps", 60);
  const auto driver = start("run pair.yaml -q");
  ASSERT_TRUE(waits_for_run());
  const auto workers = workers_of(driver->pid());
  ASSERT_EQ(workers.size(), 2u);
  const fs::path directory = fs::path(environment_of(workers[0], "CUDA_MPS_PIPE_DIRECTORY")).parent_path();
  ASSERT_TRUE(fs::exists(directory));
  EXPECT_EQ(mps_programs().size(), 2u);
  const int64_t start_ns = now_ns();
  ::kill(driver->pid(), SIGKILL);
  EXPECT_TRUE(eventually([] { return mps_programs().empty(); }, 2.5));
  std::printf("gone %.2f s after the driver's death\n", ns_to_s(now_ns() - start_ns));
  EXPECT_TRUE(eventually([&] { return !fs::exists(directory); }, 2));
  for (const pid_t pid : workers) EXPECT_TRUE(is_gone(pid)) << pid;
}

TEST_F(GpuSharing, NothingOfMpsOutlivesAnInterruption) {
  for (const int number : {SIGINT, SIGTERM}) {
    write_pair("mps", 60);
    const auto driver = start("run pair.yaml -q");
    ASSERT_TRUE(waits_for_run());
    ::kill(driver->pid(), number);
    EXPECT_EQ(finish(*driver).status.code, 128 + number);
    EXPECT_THAT(mps_programs(), testing::IsEmpty());
  }
}

TEST_F(GpuSharing, ADaemonThatDiesEndsTheRunWithItsName) {
  write_pair("mps", 60);
  const auto driver = start("run pair.yaml -q");
  ASSERT_TRUE(waits_for_run());
  for (const pid_t pid : mps_programs()) ::kill(pid, SIGKILL);
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the MPS daemon ended before its time: killed by SIGKILL"));
  EXPECT_GT(iterations("data/pair.incomplete", "a").size(), 50u);
}

// A stranger that gets into the daemon's pipe directory: its fault reaches every client.
TEST_F(GpuSharing, AFaultOfOneClientVoidsTheOthersAndIsToldSo) {
  write_pair("mps", 60);
  const auto driver = start("run pair.yaml -q");
  ASSERT_TRUE(waits_for_run());
  const auto workers = workers_of(driver->pid());
  ASSERT_EQ(workers.size(), 2u);
  SpawnRequest request;
  request.executable = gpu_client();
  request.arguments = {"fault"};
  request.environment = {{"CUDA_MPS_PIPE_DIRECTORY", environment_of(workers[0], "CUDA_MPS_PIPE_DIRECTORY")}};
  const auto fault = run_command(request, "", now_ns() + s_to_ns(30));
  ASSERT_TRUE(fault);
  EXPECT_THAT(fault->output, HasSubstr("cudaErrorIllegalAddress"));
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 3) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("cudaErrorIllegalAddress"));
  EXPECT_THAT(finished.err, HasSubstr("no sample after it counts"));
  EXPECT_TRUE(eventually([] { return mps_programs().empty(); }, 2));
}

TEST_F(GpuSharing, AnotherProgramOnTheGpuMakesTheRunInvalid) {
  SpawnRequest request;
  request.executable = gpu_client();
  request.arguments = {"hold", "30"};
  const Child stranger(request);
  sleep_until_ns(now_ns() + s_to_ns(1));
  write_pair("timeslice", 1);
  const Finished finished = run("run pair.yaml -q");
  EXPECT_EQ(finished.status.code, 4) << finished.err << finished.out;
  EXPECT_THAT(finished.out + finished.err, HasSubstr("pid " + std::to_string(stranger.pid())));
}

// A daemon for the whole machine, as some clusters have it: a time-sliced run must not become its client.
TEST_F(GpuSharing, ATimeSlicedRunStaysAwayFromADaemonOfTheMachine) {
  SignalWatch signals;
  Keeper keeper(binary());
  MpsDaemon daemon(keeper);
  write_pair("timeslice", 1);
  std::string before;
  for (const auto& [name, value] : daemon.environment()) before += name + "='" + value + "' ";
  const auto driver = start("run pair.yaml -q", "export " + before + ";");
  ASSERT_TRUE(waits_for_run());
  ASSERT_TRUE(daemon.clients());
  EXPECT_THAT(*daemon.clients(), testing::IsEmpty());
  // Its server has a context on the GPU, which is somebody else's.
  const Finished finished = finish(*driver);
  EXPECT_EQ(finished.status.code, 4);
  EXPECT_THAT(finished.out, HasSubstr("nvidia-cuda-mps"));
}

TEST_F(GpuSharing, MigThatIsNotThereIsSaid) {
  write_pair("mig", 1, ", mig_instance: \"0\"", ", mig_instance: \"1\"");
  const Finished finished = run("run pair.yaml -q");
  if (finished.status.code == 0) GTEST_SKIP() << "this GPU has MIG instances";
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("MIG"));
}

// What is read of a device's counters must say what a workload of each kind was made to be bound by.
class GpuBound : public GpuSharing {
 protected:
  // The verdict on one tenant alone, and its reason.
  std::pair<std::string, std::string> verdict(const std::string& tenant) {
    write("one.yaml", "experiment_name: one\ndevice: cuda\nmin_duration_s: 3\nwarmup_s: 1\ntenants:\n  - {name: a, " +
                          tenant + ", num_iters: 5, num_warmup: 1}\n");
    const Finished finished = run("run one.yaml -q");
    EXPECT_EQ(finished.status.code, 0) << finished.err << finished.out;
    const Finished analysis = run("analyze data/one --json --no-plots");
    EXPECT_EQ(analysis.status.code, 0) << analysis.err;
    const auto found = nlohmann::json::parse(analysis.out).at("tenants").at(0);
    const auto text = [&](const char* key) { return found.at(key).is_null() ? "" : found.at(key).get<std::string>(); };
    std::printf("%s: %s (%s)\n", tenant.c_str(), text("bound").c_str(), text("bound_reason").c_str());
    return {text("bound"), text("bound_reason")};
  }
};

TEST_F(GpuBound, TinyLaunches) {
  EXPECT_THAT(verdict("engine: stress, stress: {kind: launch, service_ms: 1}").first,
              testing::AnyOf("latency", "host"));
  EXPECT_THAT(verdict("model_name: distilgpt2, weights: random, batch_size: 1, seq_len: 8").first,
              testing::AnyOf("latency", "host"));
}

TEST_F(GpuBound, ALargeProduct) {
  EXPECT_EQ(verdict("engine: stress, stress: {kind: compute, service_ms: 2}").first, "compute");
  EXPECT_EQ(verdict("model_name: roberta-large, weights: random, batch_size: 32, seq_len: 256").first, "compute");
}

TEST_F(GpuBound, DecodingOfALargeModel) {
  EXPECT_EQ(verdict("engine: stress, stress: {kind: dram, service_ms: 2}").first, "memory");
  EXPECT_EQ(
      verdict("model_name: mistralai/Mistral-7B-v0.1, weights: random, task: generate, batch_size: 1, seq_len: 16, "
              "max_new_tokens: 64")
          .first,
      "memory");
}

TEST_F(GpuSharing, MoreTenantsThanMpsTakesAreToldWhy) {
  std::string config = "experiment_name: many\ndevice: cuda\ncorun: fixed\nsharing: {mode: mps}\ntenants:\n";
  for (int i = 0; i < 64; ++i)
    config += "  - {model_name: distilgpt2, name: t" + std::to_string(i) +
              ", weights: random, batch_size: 1, seq_len: 16, num_iters: 5, num_warmup: 1}\n";
  write("many.yaml", config);
  const Finished finished = run("run many.yaml");
  EXPECT_EQ(finished.status.code, 3) << finished.err << finished.out;
  EXPECT_THAT(finished.out + finished.err, HasSubstr("64 tenants are more than the 48 clients"));
  EXPECT_THAT(finished.err, HasSubstr("use fewer tenants, a device takes about 48 to 60 clients"));
  EXPECT_THAT(finished.err, testing::Not(HasSubstr("a fault in one client")));
  EXPECT_THAT(mps_programs(), testing::IsEmpty());
}

}  // namespace
}  // namespace cotenant
