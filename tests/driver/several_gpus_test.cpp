#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>

#include "command.h"
#include "places.h"
#include "results/telemetry.h"

// Whole runs over two GPUs, which made_gpus.cpp makes: what each tenant, worker, daemon and file has to do with which.
// With real ones: gpu_machine_test.cpp.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

const std::string kFirst = "GPU-00000000-0000-0000-0000-000000000000",
                  kSecond = "GPU-00000000-0000-0000-0000-000000000001";

std::string stressor(const std::string& name, const std::string& more) {
  return "  - {name: " + name + ", engine: stress, stress: {kind: launch, service_ms: 1}, num_iters: 50" + more + "}\n";
}

class SeveralGpus : public DriverTest {
 protected:
  void SetUp() override {
    for (const std::string& uuid : {kFirst, kSecond}) fs::create_directories(at("gpus") / uuid);
    fs::create_directories(at("lib"));
    fs::create_directories(at("bin"));
    fs::create_symlink(module(), at("lib/libnvidia-ml.so.1"));
    fs::create_symlink(source_dir() + "/tests/driver/made_mps_control", at("bin/nvidia-cuda-mps-control"));
  }

  static std::string module() { return build_dir() + "/tests/libmade_gpus.so"; }

  std::string machine(const std::string& visible = "unset CUDA_VISIBLE_DEVICES;") const {
    return fmt::format("{} export COTENANT_CUDA_MODULE={} LD_LIBRARY_PATH={} MADE_GPUS={} PATH={}:$PATH;", visible,
                       module(), at("lib").string(), at("gpus").string(), at("bin").string());
  }

  // a and b on the first, c on the second, by its number or its UUID.
  void write_three(const std::string& sharing, const std::string& of_c = "cuda:1", const std::string& more = "") const {
    write("three.yaml",
          "experiment_name: three\ndevice: cuda:0\nmin_duration_s: 0.6\nwarmup_s: 0\nsharing: {mode: " + sharing +
              "}\ntenants:\n" + stressor("a", more) + stressor("b", more) + stressor("c", more + ", device: " + of_c));
  }

  Finished run_three(const std::string& more = "", const std::string& visible = "unset CUDA_VISIBLE_DEVICES;") const {
    return run("run three.yaml -q " + more, machine(visible));
  }
};

class OnSeveralGpus : public SeveralGpus, public testing::WithParamInterface<std::string> {};

TEST_P(OnSeveralGpus, EachTenantIsOnItsOwn) {
  const std::string mode = GetParam();
  write_three(mode, mode == "streams" || mode == "mps" ? kSecond : "cuda:1");
  const Finished finished = run_three();
  ASSERT_EQ(finished.status.code, 0) << finished.err << finished.out;
  const ExperimentRecord three = record("data/three");
  ASSERT_EQ(three.devices.size(), 2u);
  EXPECT_EQ(three.devices[0].uuid, kFirst);
  EXPECT_EQ(three.devices[1].uuid, kSecond);
  EXPECT_EQ(three.tenants[0].device, "cuda:0");
  EXPECT_EQ(three.tenants[1].device, "cuda:0");
  EXPECT_EQ(three.tenants[2].device, "cuda:1");
  EXPECT_THAT(three.foreign.gpu_processes, IsEmpty());
  // One process hosts the tenants of one GPU where threads share it.
  const std::set<pid_t> workers{three.tenants[0].pid, three.tenants[1].pid, three.tenants[2].pid};
  EXPECT_EQ(workers.size(), mode == "streams" || mode == "green" ? 2u : 3u);
  // Who loaded which.
  for (const TenantRecord& tenant : three.tenants)
    EXPECT_TRUE(fs::exists(at("gpus") / device_of(three, tenant).uuid / std::to_string(tenant.pid))) << tenant.name;
  EXPECT_FALSE(fs::exists(at("gpus") / kFirst / std::to_string(three.tenants[2].pid)));
  EXPECT_NEAR(*three.device_summary.tokens_per_s,
              *three.devices[0].summary.tokens_per_s + *three.devices[1].summary.tokens_per_s, 1e-6);
  EXPECT_EQ(*three.devices[1].summary.tokens_per_s, *three.tenants[2].summary.tokens_per_s);
}

INSTANTIATE_TEST_SUITE_P(Modes, OnSeveralGpus, testing::Values("timeslice", "streams", "green", "mps"),
                         [](const auto& mode) { return mode.param; });

// 150% in all, and no more than 100 on either.
TEST_F(SeveralGpus, PartitionsAreOfEachDevice) {
  write_three("green", "cuda:1", ", sm_percent: 50");
  ASSERT_EQ(run_three().status.code, 0);
  for (const TenantRecord& tenant : record("data/three").tenants) EXPECT_EQ(tenant.sm_granted, 64) << tenant.name;
  write_three("green", "cuda:1", ", sm_percent: 60");
  const Finished refused = run_three();
  EXPECT_EQ(refused.status.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("cuda:0: sharing.mode green"));
  EXPECT_THAT(refused.err, HasSubstr("add up to 120"));
}

// Of its own each, so that what ends one device's tenants does not end another's.
TEST_F(SeveralGpus, EachHasAnMpsDaemon) {
  write_three("mps", "cuda:1", ", sm_percent: 60");
  const Finished finished = run_three();
  EXPECT_THAT(finished.err + finished.out, Not(HasSubstr("was no client of the MPS daemon")));
  const ExperimentRecord three = record("data/three");
  for (const TenantRecord& tenant : three.tenants) EXPECT_EQ(tenant.mps_client, true) << tenant.name;
  std::multiset<std::string> daemons;
  std::istringstream lines(read("gpus/daemons"));
  for (std::string line; std::getline(lines, line);) daemons.insert(line);
  EXPECT_THAT(daemons, UnorderedElementsAre(kFirst, kSecond));
  std::vector<std::string> warnings;
  for (const WarningRecord& warning : three.validity.warnings) warnings.push_back(warning.what);
  EXPECT_THAT(warnings, Contains("cuda:0: the tenants' sm_percent add up to 120"));
  EXPECT_THAT(warnings, Not(Contains(HasSubstr("cuda:1: the tenants' sm_percent"))));
}

TEST_F(SeveralGpus, TelemetryIsOfEach) {
  write_three("timeslice");
  const Finished finished = run_three("--set min_duration_s=1");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  int of_first = 0, of_second = 0;
  for (const TelemetrySample& sample : read_telemetry(at("data/three/telemetry.jsonl"))) {
    ASSERT_TRUE(sample.device);
    ++(*sample.device == "cuda:0" ? of_first : of_second);
    const double power_w = *sample.device == "cuda:0" ? 300 : 400;
    EXPECT_EQ(sample.power_w.value_or(power_w), power_w);  // not in each, where asking is dear
    EXPECT_FALSE(sample.host_memory_used_bytes && *sample.device != "cuda:0");
  }
  EXPECT_GE(of_first, 2);
  EXPECT_EQ(of_first, of_second);
  const ExperimentRecord three = record("data/three");
  EXPECT_EQ(three.telemetry.samples, of_first);
  EXPECT_EQ(three.devices[0].sm_clock_mhz, 1500);
  EXPECT_EQ(three.devices[1].sm_clock_mhz, 1700);
  EXPECT_EQ(three.devices[1].power_limit_w, 700);
  const Finished analysis = run("analyze data/three --json --no-plots");
  ASSERT_EQ(analysis.status.code, 0) << analysis.err;
  const auto json = nlohmann::json::parse(analysis.out);
  EXPECT_EQ(json.at("device").at("sm_clock_mhz"), 1600);
  EXPECT_EQ(json.at("devices").at(1).at("sm_clock_mhz"), 1700);
  EXPECT_EQ(json.at("devices").at(0).at("tenants"), nlohmann::json({"a", "b"}));
  EXPECT_EQ(json.at("tenants").at(2).at("device"), "cuda:1");
}

TEST_F(SeveralGpus, AForeignProgramIsToldWithItsDevice) {
  write_three("timeslice");
  fs::create_directories(at("gpus") / kSecond);
  write("gpus/" + kSecond + "/1", "");
  const Finished finished = run_three();
  EXPECT_EQ(finished.status.code, 4) << finished.err;
  ASSERT_EQ(record("data/three").foreign.gpu_processes.size(), 1u);
  EXPECT_THAT(record("data/three").foreign.gpu_processes[0], HasSubstr("pid 1, on cuda:1"));
  // On a GPU that the experiment does not use it is nobody's business.
  EXPECT_EQ(run_three("--set tenants.2.device=cuda:0").status.code, 0);
}

// Alone each is on its own device.
TEST_F(SeveralGpus, BaselinesAreOfEachTenantsDevice) {
  write_three("timeslice");
  const Finished finished = run_three("--baselines");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord three = record("data/three");
  EXPECT_EQ(three.tenants[0].kind, three.tenants[1].kind);
  EXPECT_NE(three.tenants[0].kind, three.tenants[2].kind);
  for (const TenantRecord& tenant : three.tenants) {
    const ExperimentRecord alone = record(fs::path("data/three/baselines") / tenant.kind);
    ASSERT_EQ(alone.devices.size(), 1u);
    EXPECT_EQ(alone.device().uuid, device_of(three, tenant).uuid);
    EXPECT_EQ(alone.settings.device, tenant.device);
  }
  const Finished analysis = run("analyze data/three --no-plots");
  EXPECT_THAT(analysis.out, HasSubstr("cuda:1"));
  EXPECT_THAT(analysis.out, HasSubstr("all devices"));
  EXPECT_THAT(analysis.out + analysis.err, Not(HasSubstr("another chip")));
}

// Two names of one device are one device, and its shares and sums are of all who are on it.
TEST_F(SeveralGpus, TwoNamesOfOneAreOne) {
  write_three("green", kFirst);
  ASSERT_EQ(run_three().status.code, 0);
  const ExperimentRecord three = record("data/three");
  EXPECT_EQ(three.devices.size(), 1u);
  EXPECT_EQ(three.tenants[2].device, "cuda:0");
  EXPECT_EQ(three.tenants[2].sm_granted, 40);  // five of sixteen groups each
  // Nor does a run of the same by another name count as another.
  EXPECT_EQ(run_three("--skip-existing --set tenants.2.device=cuda:0").status.code, 0);
}

// An index that the user's shell shows is none to a daemon or its clients: they are told UUIDs.
TEST_F(SeveralGpus, CountAmongThoseThatAreVisible) {
  write_three("mps");
  ASSERT_EQ(run_three("", "export CUDA_VISIBLE_DEVICES=1,0;").status.code, 0);
  EXPECT_EQ(record("data/three").devices[0].uuid, kSecond);
  EXPECT_EQ(record("data/three").devices[1].uuid, kFirst);
  for (const TenantRecord& tenant : record("data/three").tenants) EXPECT_EQ(tenant.mps_client, true) << tenant.name;
  const Finished refused = run_three("--out elsewhere", "export CUDA_VISIBLE_DEVICES=1;");
  EXPECT_EQ(refused.status.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("tenant c: device"));
  EXPECT_THAT(refused.err, HasSubstr("expected a CUDA device from 0 to 0, found cuda:1"));
}

TEST_F(SeveralGpus, OneThatIsNotThereIsNamed) {
  write_three("timeslice", "GPU-99999999-0000-0000-0000-000000000000");
  const Finished refused = run_three();
  EXPECT_EQ(refused.status.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("there is no GPU-99999999"));
}

// Each of the processes that --devices starts sees one.
TEST_F(SeveralGpus, AStudyOverThemByDevicesIsRefused) {
  write_three("timeslice");
  const Finished refused = run("run three.yaml -q --devices all --out study", machine());
  EXPECT_EQ(refused.status.code, 2) << refused.err << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("has tenants on several devices"));
  const Finished taken = run("run three.yaml -q --shard 1/1 --out one", machine());
  EXPECT_EQ(taken.status.code, 0) << taken.err << taken.out;
}

}  // namespace
}  // namespace cotenant
