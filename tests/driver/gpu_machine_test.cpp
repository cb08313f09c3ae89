#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/clock.h"
#include "command.h"
#include "driver/plan.h"
#include "engine/native/devices.h"
#include "results/telemetry.h"
#include "sharing/mps.h"
#include "telemetry/nvml.h"

// What a GPU has, and which one is used, with the program itself on a real one. Skipped where there is none.
namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class GpuSharingMachine : public DriverTest {
 protected:
  void SetUp() override {
    const CudaStatus status = cuda_status();
    if (status.devices.empty()) GTEST_SKIP() << "no CUDA device: " << status.problem;
    devices_ = status.devices;
  }

  // Tenants without a model, that each hold a context and 256 bytes.
  std::string launchers(int tenants, const std::string& sharing, const std::string& device = "cuda") const {
    std::string text = "experiment_name: made\ndevice: " + device +
                       "\nmin_duration_s: 1\nwarmup_s: 0.2\nsharing: {mode: " + sharing + "}\ntenants:\n";
    for (int i = 0; i < tenants; ++i)
      text += "  - {name: t" + std::to_string(i) +
              ", engine: stress, stress: {kind: launch, service_ms: 1}, num_iters: 400}\n";
    return text;
  }

  std::optional<NvmlDevice> in_nvml(size_t device) const {
    Gap gap;
    const auto nvml = Nvml::open(gap);
    return nvml ? nvml->device_by_uuid(devices_[device].uuid) : std::nullopt;
  }

  std::vector<CudaDevice> devices_;
};

// Twelve models of 7 billion parameters fit into no GPU of today.
TEST_F(GpuSharingMachine, RefusesWhatDoesNotFitBeforeAnythingRuns) {
  std::string text = "experiment_name: many\ndevice: cuda\ntenants:\n";
  for (int i = 0; i < 12; ++i)
    text += "  - {model_name: mistralai/Mistral-7B-v0.1, weights: random, batch_size: 1, seq_len: 128}\n";
  write("many.yaml", text);
  const Finished finished = run("run many.yaml -q");
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("of the GPU's memory"));
  EXPECT_THAT(finished.err, HasSubstr("12 contexts"));
  EXPECT_FALSE(fs::exists(at("data")));
  std::printf("%s", finished.err.c_str());
}

// The driver sizes its tenants on the GPU and takes nothing of it.
TEST_F(GpuSharingMachine, TheDriverHasNoContext) {
  const auto device = in_nvml(0);
  if (!device) GTEST_SKIP() << "no NVML";
  write("made.yaml",
        "experiment_name: made\ndevice: cuda\nmin_duration_s: 3\nwarmup_s: 0.3\ntenants:\n"
        "  - {model_name: distilgpt2, name: a, weights: random, batch_size: 8, seq_len: 128, task: generate, "
        "max_new_tokens: 8, num_iters: 20}\n");
  const auto driver = start("run made.yaml -q");
  ASSERT_TRUE(eventually([&] { return fs::exists(at("data/made.staging/experiment.json")); }));
  const auto processes = device->compute_processes();
  ASSERT_TRUE(processes);
  for (const GpuProcess& process : *processes) EXPECT_NE(process.pid, driver->pid());
  EXPECT_EQ(finish(*driver).status.code, 0);
  const TenantRecord tenant = record("data/made").tenants.at(0);
  EXPECT_GT(tenant.weights_bytes, 100u << 20);
  EXPECT_EQ(tenant.tokens_hash.size(), 16u);
}

// What is added for each context is no more than it takes, or runs that fit would be refused.
TEST_F(GpuSharingMachine, AContextTakesAtLeastWhatIsReckoned) {
  const auto device = in_nvml(0);
  if (!device || !device->memory()) GTEST_SKIP() << "no NVML";
  const double before = static_cast<double>(device->memory()->used_bytes);
  for (const std::string sharing : {"timeslice", "mps"}) {
    write("made.yaml", launchers(4, sharing));
    const Finished finished = run("run made.yaml -q");
    ASSERT_EQ(finished.status.code, 0) << finished.err;
    double most = 0;
    for (const TelemetrySample& sample : read_telemetry(at("data/made/telemetry.jsonl")))
      most = std::max(most, sample.memory_used_bytes.value_or(0));
    const double each = (most - before) / 4;
    std::printf("%s: %.0f MiB for each of 4 contexts\n", sharing.c_str(), each / (1 << 20));
    if (sharing == "timeslice") {
      EXPECT_GE(each, static_cast<double>(gpu_context_bytes));
    }
  }
}

class GpuSharingTwoGpus : public GpuSharingMachine {
 protected:
  void SetUp() override {
    GpuSharingMachine::SetUp();
    if (IsSkipped()) return;
    if (devices_.size() < 2) GTEST_SKIP() << "one GPU";
    if (const std::string problem = mps_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

// By index, by UUID, among several, and without the variable.
TEST_F(GpuSharingTwoGpus, TheVisibleOneIsUsedInEveryMode) {
  const std::string uuid = devices_[1].uuid;
  const std::vector<std::pair<std::string, std::string>> ways{
      {"export CUDA_VISIBLE_DEVICES=1;", "cuda"},     {"export CUDA_VISIBLE_DEVICES=" + uuid + ";", "cuda"},
      {"export CUDA_VISIBLE_DEVICES=1,0;", "cuda:0"}, {"export CUDA_VISIBLE_DEVICES=0,1;", "cuda:1"},
      {"unset CUDA_VISIBLE_DEVICES;", "cuda:1"},
  };
  for (const std::string sharing : {"timeslice", "mps", "streams", "green"})
    for (const auto& [before, device] : ways) {
      SCOPED_TRACE(sharing + " " + before + device);
      write("made.yaml", launchers(2, sharing, device));
      const Finished finished = run("run made.yaml -q", before);
      EXPECT_EQ(finished.status.code, 0) << finished.err << finished.out;
      EXPECT_EQ(record("data/made").device().uuid, uuid);
    }
}

// Two tenants on the first and one on the second, which is named by its UUID.
TEST_F(GpuSharingTwoGpus, OneRunIsOnBothInEveryMode) {
  for (const std::string sharing : {"timeslice", "mps", "streams", "green"}) {
    SCOPED_TRACE(sharing);
    write("both.yaml", launchers(2, sharing, "cuda:0") + "  - {name: t2, device: " + devices_[1].uuid +
                           ", engine: stress, stress: {kind: launch, service_ms: 1}, num_iters: 400}\n");
    const Finished finished = run("run both.yaml -q --baselines --out both", "unset CUDA_VISIBLE_DEVICES;");
    EXPECT_EQ(finished.status.code, 0) << finished.err << finished.out;
    const ExperimentRecord both = record("both");
    ASSERT_EQ(both.devices.size(), 2u);
    EXPECT_THAT(both.foreign.gpu_processes, testing::IsEmpty());
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(both.devices[i].uuid, devices_[i].uuid);
      EXPECT_GT(both.devices[i].sm_clock_mhz.value_or(0), 0);
    }
    for (const TenantRecord& tenant : both.tenants) {
      EXPECT_EQ(tenant.device, tenant.name == "t2" ? "cuda:1" : "cuda:0");
      EXPECT_EQ(record(fs::path("both/baselines") / tenant.kind).device().uuid, device_of(both, tenant).uuid);
      if (sharing == "mps") {
        EXPECT_EQ(tenant.mps_client, true);
      }
    }
    if (sharing == "green") {
      EXPECT_GT(both.tenants[2].sm_granted.value_or(0), both.tenants[0].sm_granted.value_or(0));
    }
  }
}

// Where NVML and CUDA see a tenant of the second GPU, it is there, and holds nothing of the first.
TEST_F(GpuSharingTwoGpus, ATenantHasAContextOnItsOwnAlone) {
  const auto first = in_nvml(0), second = in_nvml(1);
  if (!first || !second) GTEST_SKIP() << "no NVML";
  for (const std::string sharing : {"timeslice", "streams"}) {
    SCOPED_TRACE(sharing);
    write("both.yaml", launchers(1, sharing, "cuda:0") +
                           "  - {name: t1, device: cuda:1, engine: stress, stress: {kind: launch, service_ms: 1}, "
                           "num_iters: 400}\n");
    const auto driver = start("run both.yaml -q --out both --set min_duration_s=3", "unset CUDA_VISIBLE_DEVICES;");
    ASSERT_TRUE(eventually([&] { return fs::exists(at("both.staging/experiment.json")); }));
    const auto of_first = first->compute_processes(), of_second = second->compute_processes();
    EXPECT_EQ(finish(*driver).status.code, 0);
    ASSERT_TRUE(of_first && of_second);
    EXPECT_EQ(of_first->size(), 1u);
    EXPECT_EQ(of_second->size(), 1u);
  }
}

TEST_F(GpuSharingTwoGpus, TwoRunsAtOnceOnTwoGpusAreBothValid) {
  for (const std::string sharing : {"timeslice", "mps"}) {
    SCOPED_TRACE(sharing);
    write("first.yaml", launchers(2, sharing, "cuda:0"));
    write("second.yaml", launchers(2, sharing, "cuda:1"));
    const auto one = start("run first.yaml -q --out first --set min_duration_s=4");
    const auto other = start("run second.yaml -q --out second --set min_duration_s=4");
    for (Child* child : {one.get(), other.get()})
      EXPECT_EQ(child->wait_until(now_ns() + s_to_ns(120)).value_or(ExitStatus()).code, 0);
    for (const std::string directory : {"first", "second"}) {
      const ForeignLoadRecord foreign = record(directory).foreign;
      EXPECT_THAT(foreign.gpu_processes, testing::IsEmpty());
      for (const std::string& bystander : foreign.gpu_bystanders)
        std::printf("%s: stood by: %s\n", directory.c_str(), bystander.c_str());
    }
  }
}

}  // namespace
}  // namespace cotenant
