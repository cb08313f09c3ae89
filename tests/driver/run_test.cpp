#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/affinity.h"
#include "command.h"
#include "places.h"
#include "results/telemetry.h"
#include "telemetry/nvml.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPair = R"(# two tenants of known cost
experiment_name: pair
device: cpu
min_duration_s: 0.5
warmup_s: 0.1
tenants:
  - {name: quick, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 20, batch_size: 2, seq_len: 8}
  - {name: org/slow, engine: stress, stress: {kind: sleep, service_ms: 5}, num_iters: 60}
)";

TEST_F(DriverTest, AnOverlappingRunCoversItsWindow) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("quick"));
  EXPECT_EQ(read("data/pair/config.yaml"), kPair);  // byte for byte
  const ExperimentRecord record = this->record("data/pair");
  EXPECT_TRUE(record.validity.valid);
  ASSERT_TRUE(record.window);
  EXPECT_GE(record.window->duration_s(), 0.5);
  ASSERT_EQ(record.tenants.size(), 2u);
  EXPECT_EQ(record.tenants[1].directory, "org_slow");
  for (const TenantRecord& tenant : record.tenants) {
    const auto samples = iterations("data/pair", tenant.directory);
    EXPECT_GE(static_cast<int>(samples.size()), tenant.num_iters);
    EXPECT_LE(*samples.front().start_s, record.window->start_s);
    EXPECT_GE(*samples.back().end_s, record.window->end_s);  // still at work when the window closed
    ASSERT_TRUE(tenant.start_skew_us);
    EXPECT_GE(*tenant.start_skew_us, 0);
    for (size_t i = 0; i < samples.size(); ++i) {
      EXPECT_EQ(samples[i].iter, static_cast<int64_t>(i));
      EXPECT_GE(samples[i].latency_ms, tenant.stressor()->service_ms);
      EXPECT_NEAR(samples[i].latency_ms, (*samples[i].end_s - *samples[i].start_s) * 1e3, 1e-5);
    }
    EXPECT_EQ(tenant.exit.code, 0);
    EXPECT_TRUE(tenant.usage.cpu_user_s);
  }
  EXPECT_EQ(iterations("data/pair", "quick").front().tokens_in, 16);
  EXPECT_TRUE(fs::exists(at("data/pair/org_slow/org_slow_sleep_b1_L1_latencies_ms.csv")));
  EXPECT_TRUE(fs::exists(at("data/pair/org_slow/org_slow_sleep_b1_L1_summary.txt")));
  const auto telemetry = read_telemetry(at("data/pair/telemetry.jsonl"));
  EXPECT_GE(telemetry.size(), 2u);
  // Not in every sample: what is asked is rationed by its cost.
  EXPECT_TRUE(
      std::ranges::any_of(telemetry, [](const TelemetrySample& sample) { return !sample.cpu_percent.empty(); }));
  EXPECT_TRUE(std::ranges::any_of(telemetry, [](const TelemetrySample& sample) {
    return sample.tenants.size() == 2 && sample.tenants[0].cpu_s && sample.tenants[1].cpu_s;
  }));
  EXPECT_EQ(record.telemetry.samples, static_cast<int64_t>(telemetry.size()));
  ASSERT_TRUE(record.telemetry.sampler_cpu_percent);
  EXPECT_GE(*record.telemetry.sampler_cpu_percent, 0);
  EXPECT_EQ(record.telemetry.device_gap, "");  // the CPU needs none
  EXPECT_FALSE(fs::exists(at("data/pair.lock")));
  EXPECT_FALSE(fs::exists(at("data/pair.staging")));
}

TEST_F(DriverTest, TakesNoTelemetryWhenAskedNotTo) {
  write("pair.yaml", kPair + std::string("telemetry_interval_ms: 0\n"));
  const Finished finished = run("run pair.yaml");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_FALSE(fs::exists(at("data/pair/telemetry.jsonl")));
  const ExperimentRecord record = this->record("data/pair");
  EXPECT_TRUE(record.validity.valid);
  EXPECT_EQ(record.settings.telemetry_interval_ms, 0);
  EXPECT_EQ(record.telemetry.samples, 0);
  EXPECT_FALSE(record.telemetry.sampler_cpu_percent);
}

// On a machine with a GPU and a build that can use it.
TEST_F(DriverTest, SamplesTheGpu) {
  Gap gap;
  const auto nvml = Nvml::open(gap);
  if (!nvml) GTEST_SKIP() << gap.text();
  write("gpu.yaml", R"(device: cuda
min_duration_s: 1.5
warmup_s: 0.5
single_model: {model_name: distilgpt2, weights: random, batch_size: 8, seq_len: 128}
)");
  const Finished finished = run("run gpu.yaml");
  if (finished.status.code == 2) GTEST_SKIP() << finished.err;
  const ExperimentRecord record = this->record("data/gpu");
  EXPECT_TRUE(record.validity.complete) << finished.err;
  EXPECT_EQ(record.device().driver, nvml->driver_version());
  EXPECT_EQ(record.telemetry.device_gap, "");
  ASSERT_TRUE(record.device().sm_clock_mhz);
  EXPECT_GT(*record.device().sm_clock_mhz, 0);
  EXPECT_TRUE(record.device().power_limit_w);
  // Alone, or named what is beside it, or said why nobody can tell.
  const bool disturbed = !record.foreign.gpu_processes.empty();
  EXPECT_TRUE(!disturbed || record.foreign.gpu_processes_gap.empty());
  EXPECT_EQ(finished.status.code, disturbed ? 4 : 0) << finished.err << finished.out;
  const auto telemetry = read_telemetry(at("data/gpu/telemetry.jsonl"));
  ASSERT_GE(telemetry.size(), 5u);
  const auto ever = [&](std::optional<double> TelemetrySample::*field) {
    return std::ranges::any_of(telemetry, [&](const auto& sample) { return (sample.*field).value_or(0) > 0; });
  };
  EXPECT_TRUE(ever(&TelemetrySample::power_w));
  EXPECT_TRUE(ever(&TelemetrySample::memory_used_bytes));
  EXPECT_TRUE(ever(&TelemetrySample::sm_percent) || !record.telemetry.counters_gap.empty());
  EXPECT_TRUE(ever(&TelemetrySample::dram_percent) || !record.telemetry.counters_gap.empty());
}

TEST_F(DriverTest, AFixedRunDoesExactlyItsIterations) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml --set corun=fixed --set min_duration_s=0");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_EQ(iterations("data/pair", "quick").size(), 20u);
  EXPECT_EQ(iterations("data/pair", "org_slow").size(), 60u);
  const ExperimentRecord record = this->record("data/pair");
  ASSERT_TRUE(record.tenants[1].whole_run);
  EXPECT_EQ(record.tenants[1].whole_run->latency.count, 60);
  EXPECT_LT(record.tenants[1].summary.latency.count, 60);  // the quick one had finished long before
  EXPECT_THAT(finished.err, HasSubstr("overlapped"));
}

TEST_F(DriverTest, WarnsWithARemedyWhenSamplesAreFew) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml --set max_duration_s=0.2 --set min_duration_s=0.1");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("too few samples for p99 of org/slow: needs 368"));
  EXPECT_THAT(finished.err, HasSubstr("raise num_iters or min_duration_s"));
  EXPECT_THAT(finished.err, HasSubstr("raise max_duration_s"));
  const Finished strict = run("run pair.yaml --strict --set max_duration_s=0.2 --set min_duration_s=0.1");
  EXPECT_EQ(strict.status.code, 4);
  EXPECT_FALSE(record("data/pair").validity.valid);
  EXPECT_TRUE(record("data/pair").validity.complete);
  const Finished skipped = run("run pair.yaml --skip-existing --set max_duration_s=0.2 --set min_duration_s=0.1");
  EXPECT_EQ(skipped.status.code, 4);  // it is still not valid
  const Finished quiet = run("run pair.yaml --quiet --set max_duration_s=0.2 --set min_duration_s=0.1");
  EXPECT_THAT(quiet.err, HasSubstr("too few samples for p99 of org/slow: needs 368"));
}

TEST_F(DriverTest, RefusesALimitOfGpuMemoryOnTheCpu) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml --set tenants.0.memory_limit=1GiB");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("memory_limit: expected none on device: cpu"));
}

TEST_F(DriverTest, MeasuresEachDistinctTenantAlone) {
  write("three.yaml", R"(
experiment_name: three
device: cpu
min_duration_s: 0.2
warmup_s: 0
tenants:
  - {name: a, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}
  - {name: b, engine: stress, stress: {kind: sleep, service_ms: 1}, num_iters: 5}
  - {name: c, engine: stress, stress: {kind: sleep, service_ms: 2}, num_iters: 5}
)");
  const Finished finished = run("run three.yaml --baselines --repeat 2");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord shared = record("data/three");
  EXPECT_EQ(shared.tenants[0].kind, shared.tenants[1].kind);
  EXPECT_NE(shared.tenants[0].kind, shared.tenants[2].kind);
  for (const fs::path root : {"data/three", "data/three/repeats/02"}) {
    for (const TenantRecord& tenant : record(root).tenants) {
      const ExperimentRecord alone = record(root / "baselines" / tenant.kind);
      ASSERT_EQ(alone.tenants.size(), 1u);
      EXPECT_EQ(alone.tenants[0].stressor()->service_ms, tenant.stressor()->service_ms);
      EXPECT_EQ(alone.tenants[0].threads, tenant.threads);
      EXPECT_GE(alone.window->duration_s(), 0.2);
    }
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(at("data/three/baselines")), fs::directory_iterator()), 2);
  // A baseline's configuration is one that can be run.
  const Finished again = run("run data/three/baselines/" + shared.tenants[2].kind + "/config.yaml --no-save");
  EXPECT_EQ(again.status.code, 0) << again.err;
}

TEST_F(DriverTest, PartitionsTheCores) {
  if (affinity().size() < 2) GTEST_SKIP() << "one CPU cannot be divided";
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml --set sharing.mode=partition");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord record = this->record("data/pair");
  std::set<int> cpus;
  size_t count = 0;
  for (const TenantRecord& tenant : record.tenants) {
    EXPECT_FALSE(tenant.cpus.empty());
    EXPECT_EQ(tenant.threads, static_cast<int>(tenant.cpus.size()));
    EXPECT_FALSE(tenant.kind_with_share.empty());
    cpus.insert(tenant.cpus.begin(), tenant.cpus.end());
    count += tenant.cpus.size();
  }
  EXPECT_EQ(cpus.size(), count);
}

TEST_F(DriverTest, SaysOnceThatWeightsAreRandomAndWhy) {
  const Finished finished =
      run("run --model distilgpt2 --model distilgpt2 --device cpu --batch-size 1 --seq-len 2 --num-iters 5"
          " --num-warmup 1 --warmup-s 0 --min-duration-s 0.1 --no-save",
          "HF_HUB_CACHE=$PWD/empty");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const std::string notice = "distilgpt2: random weights (seed 0): ";
  const size_t first = finished.err.find(notice);
  ASSERT_NE(first, std::string::npos) << finished.err;
  EXPECT_EQ(finished.err.find(notice, first + 1), std::string::npos) << finished.err;
  const std::string line = finished.err.substr(first, finished.err.find('\n', first) - first);
  EXPECT_THAT(line, HasSubstr(at("empty").string()));
  EXPECT_THAT(line, testing::ContainsRegex("needs [0-9.]+ MiB for weights and [0-9.]+ [KM]iB for activations"));
}

TEST_F(DriverTest, RunsAModelWithoutAFile) {
  const std::string model = source_dir() + "/tests/fixtures/models/llama";
  if (!fs::exists(model)) GTEST_SKIP() << "no fixture";
  const Finished finished =
      run("run --model " + model +
          " --device cpu --batch-size 2 --seq-len 4 --task generate --max-new-tokens 5 --num-iters 5 --num-warmup 1"
          " --warmup-s 0 --min-duration-s 0.1 --out here");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord record = this->record("here");
  const auto samples = iterations("here", record.tenants.at(0).directory);
  ASSERT_GE(samples.size(), 5u);
  for (const Iteration& sample : samples) {
    EXPECT_EQ(sample.tokens_in, 8);
    EXPECT_EQ(sample.tokens_out, 10);
    ASSERT_EQ(sample.token_s.size(), 5u);
    EXPECT_TRUE(std::ranges::is_sorted(sample.token_s));
    ASSERT_TRUE(sample.ttft_ms && sample.tpot_ms);
    EXPECT_NEAR(*sample.ttft_ms, (sample.token_s[0] - *sample.start_s) * 1e3, 1e-5);
    EXPECT_NEAR(*sample.tpot_ms, (*sample.end_s - sample.token_s[0]) * 1e3 / 4, 1e-5);
  }
  EXPECT_GT(record.tenants[0].parameters, 0);
  EXPECT_GT(record.tenants[0].weights_bytes, 0u);
}

TEST_F(DriverTest, KeepsNoFilesWhenAskedTo) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml --no-save --json");
  ASSERT_EQ(finished.status.code, 0) << finished.err;
  EXPECT_FALSE(fs::exists(at("data")));
  EXPECT_TRUE(nlohmann::json::accept(finished.out));
}

TEST_F(DriverTest, RunsAGridAndSkipsWhatIsThere) {
  write("pair.yaml", kPair);
  const std::string command = "run pair.yaml --vary tenants.0.batch_size=1,2 --skip-existing";
  const Finished first = run(command);
  ASSERT_EQ(first.status.code, 0) << first.err;
  size_t cells = 0;
  for (const auto& entry : fs::directory_iterator(at("data"))) cells += fs::exists(entry.path() / "experiment.json");
  EXPECT_EQ(cells, 2u);
  const Finished second = run(command);
  EXPECT_EQ(second.status.code, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("skipped"));
}

TEST_F(DriverTest, GoesOnPastAFailureWhenAskedTo) {
  write("bad.yaml", "experiment_name: bad\ntenants:\n  - {model_name: no-such-model, batch_size: 1, seq_len: 8}\n");
  write("pair.yaml", kPair);
  const Finished stopped = run("run bad.yaml pair.yaml");
  EXPECT_EQ(stopped.status.code, 2);
  EXPECT_FALSE(fs::exists(at("data")));  // checked before anything ran
  const Finished going = run("run bad.yaml pair.yaml --keep-going");
  EXPECT_EQ(going.status.code, 2) << going.err;
  EXPECT_TRUE(fs::exists(at("data/pair/experiment.json")));
  EXPECT_THAT(going.out, HasSubstr("failed"));
}

TEST_F(DriverTest, WritesNoColourIntoFilesAndMessagesToStandardError) {
  write("pair.yaml", kPair);
  const Finished finished = run("run pair.yaml");
  EXPECT_THAT(finished.out + finished.err, Not(HasSubstr("\033")));
  EXPECT_THAT(finished.out, Not(HasSubstr("warning:")));
}

struct BadCommand {
  std::string name, arguments, message;
};
void PrintTo(const BadCommand& command, std::ostream* out) {
  *out << command.name;
}

class BadCommandTest : public DriverTest, public testing::WithParamInterface<BadCommand> {};

TEST_P(BadCommandTest, IsRefusedAndNothingIsWritten) {
  write("pair.yaml", kPair);
  const Finished finished = run(GetParam().arguments);
  EXPECT_EQ(finished.status.code, 2) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr(GetParam().message));
  EXPECT_FALSE(fs::exists(at("data")));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCommandTest,
    testing::Values(
        BadCommand{"no_config", "run", "expected a configuration file or --model"},
        BadCommand{"missing_config", "run nowhere.yaml", "nowhere.yaml"},
        BadCommand{"file_and_model", "run pair.yaml --model distilgpt2", "either"},
        BadCommand{"flag_of_the_other_form", "run pair.yaml --batch-size 4", "--set tenants.*.batch_size=4"},
        BadCommand{"unknown_model", "run --device cpu --model distilgpt3", "distilgpt2"},
        BadCommand{"too_long", "run --device cpu --model distilgpt2 --seq-len 2000", "1024"},
        BadCommand{"generating_encoder", "run --device cpu --model distilbert-base-uncased --task generate", "encoder"},
        BadCommand{"too_much_memory", "run --device cpu --model distilgpt2 --batch-size 60000 --seq-len 1024", " free"},
        BadCommand{"mps_on_cpu", "run pair.yaml --set sharing.mode=mps", "mps"},
        BadCommand{"no_such_cpu", "run pair.yaml --set tenants.0.cpus=[4000]", "4000"},
        BadCommand{"unwritable", "run pair.yaml --out /proc/pair", "/proc"},
        BadCommand{"same_directory_twice", "run pair.yaml pair.yaml", "would replace"},
        BadCommand{"unknown_flag", "run pair.yaml --frobnicate", "frobnicate"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace cotenant
