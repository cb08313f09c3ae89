#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "../real_control_group.h"
#include "base/affinity.h"
#include "base/clock.h"
#include "command.h"
#include "config/load.h"
#include "driver/experiment.h"
#include "driver/plan.h"
#include "places.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

std::string all_warnings(const ExperimentRecord& record) {
  std::string all;
  for (const WarningRecord& warning : record.validity.warnings) all += warning.what + ": " + warning.remedy + "\n";
  return all;
}

std::string spinning(int tenants, const std::string& more = "") {
  std::string text = "experiment_name: made\ndevice: cpu\nmin_duration_s: 0.6\nwarmup_s: 0.05\n" + more + "tenants:\n";
  for (int i = 0; i < tenants; ++i)
    text += "  - {name: t" + std::to_string(i) +
            ", engine: stress, stress: {kind: spin, service_ms: 1}, num_iters: 10, num_warmup: 1}\n";
  return text;
}

// Two tenants that each want a core get a tenth of one together: the kernel stops them, and the run says so.
TEST_F(DriverTest, TellsThatACpuQuotaWasUsedUp) {
  const RealControlGroup group("cpu");
  if (!group.problem().empty()) GTEST_SKIP() << group.problem();
  group.set_cpu_quota(0.1);
  write("made.yaml", spinning(2));
  const Finished finished = run("run made.yaml", "echo $$ >" + group.processes().string() + ";");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord record = this->record("data/made");
  EXPECT_EQ(record.host.cpu_limit, 0.1);
  EXPECT_GT(record.limits.throttled_periods.value_or(0), 0);
  EXPECT_GE(record.limits.cpu_periods.value_or(0), record.limits.throttled_periods.value_or(0));
  EXPECT_GT(record.limits.throttled_s.value_or(0), 0);
  EXPECT_THAT(all_warnings(record), HasSubstr("the CPU quota of 0.1 cores was used up in "));
  EXPECT_THAT(all_warnings(record), HasSubstr("the tenants' compute threads outnumber the 0.1 cores of the CPU quota"));
  EXPECT_EQ(run("run made.yaml --strict", "echo $$ >" + group.processes().string() + ";").status.code, 4);
}

TEST_F(DriverTest, RaisesItsLimitOfOpenFiles) {
  write("made.yaml", spinning(8));
  EXPECT_EQ(run("run made.yaml", "ulimit -Sn 40;").status.code, 0);
  EXPECT_GE(record("data/made").host.open_files_limit, 40u);
}

TEST_F(DriverTest, RefusesMoreTenantsThanOpenFilesAllow) {
  write("made.yaml", spinning(8));
  const Finished finished = run("run made.yaml", "ulimit -n 100;");
  EXPECT_EQ(finished.status.code, 2);
  EXPECT_THAT(finished.err, HasSubstr("8 tenants need "));
  EXPECT_THAT(finished.err, HasSubstr("one process may have 100"));
  EXPECT_FALSE(std::filesystem::exists(at("data")));
}

TEST_F(DriverTest, UsesTheCpusItMayUse) {
  if (affinity().size() < 2) GTEST_SKIP() << "needs two CPUs";
  write("made.yaml", spinning(1));
  const std::string last = std::to_string(affinity().back());
  ASSERT_EQ(run("run made.yaml", "taskset -p -c " + last + " $$ >nowhere;").status.code, 0);
  const ExperimentRecord record = this->record("data/made");
  EXPECT_EQ(record.host.logical_cpus, 1);
  EXPECT_EQ(record.tenants[0].threads, 1);
}

TEST_F(DriverTest, RecordsTheEnvironmentAndWarnsOfWhatFalsifies) {
  write("made.yaml", spinning(1));
  const Finished finished = run("run made.yaml", "export OMP_PLACES=cores MALLOC_ARENA_MAX=1;");
  EXPECT_EQ(finished.status.code, 0) << finished.err;
  const ExperimentRecord record = this->record("data/made");
  EXPECT_THAT(record.host.environment, Contains("OMP_PLACES=cores"));
  EXPECT_THAT(record.host.environment, Contains("MALLOC_ARENA_MAX=1"));
  EXPECT_THAT(all_warnings(record), HasSubstr("OMP_PLACES=cores is set in the environment"));
  EXPECT_EQ(run("run made.yaml --out plain").status.code, 0);
  const Finished compared = run("compare plain data/made");
  EXPECT_THAT(compared.out, HasSubstr("OMP_PLACES: not set before, cores after"));
}

// The same numbers, whoever computes them.
TEST_F(DriverTest, ASeedGivesTheSameNumbersOnAnyNumberOfThreads) {
  const auto marks = [&](const std::string& more) {
    const std::string model = source_dir() + "/tests/fixtures/models/llama";
    const Finished finished =
        run("run --device cpu --model " + model +
            " --task generate --max-new-tokens 6 --seq-len 12 --batch-size 2 --dtype float32 --num-iters 5 "
            "--min-duration-s 0 --warmup-s 0 --num-warmup 1 --out made " +
            more);
    EXPECT_EQ(finished.status.code, 0) << finished.err;
    const TenantRecord tenant = record("made").tenants.at(0);
    for (const std::string& hash : {tenant.weights_hash, tenant.input_hash, tenant.tokens_hash})
      EXPECT_EQ(hash.size(), 16u);
    return std::vector<std::string>{tenant.weights_hash, tenant.input_hash, tenant.tokens_hash};
  };
  const auto one = marks("--threads 1 --weights random");
  EXPECT_EQ(marks("--threads 2 --weights random"), one);
  EXPECT_EQ(marks("--threads 3 --weights random"), one);
  const auto other = marks("--threads 1 --weights random --seed 7");
  for (size_t i = 0; i < one.size(); ++i) EXPECT_NE(other[i], one[i]) << i;
  const auto stored = marks("--threads 2");  // the files' weights, the same input
  EXPECT_NE(stored[0], one[0]);
  EXPECT_EQ(stored[1], one[1]);
}

uint64_t status_kib(const std::string& what) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (uint64_t kib = 0; word == what && status >> kib) return kib;
  return 0;
}

// The driver of a million requests, in this process: what it holds does not grow with them.
TEST_F(DriverTest, HoldsNoRequests) {
  const ExperimentPlan plan =
      make_plan(parse_config("experiment_name: many\ndevice: cpu\ncorun: fixed\nwarmup_s: 0\nmin_duration_s: 0\n"
                             "tenants:\n  - {name: t, engine: stress, stress: {kind: spin, service_ms: 0.001}, "
                             "num_iters: 1000000, num_warmup: 1}\n"),
                read_machine());
  SignalWatch signals;
  Keeper keeper(binary());
  RunContext context{.keeper = keeper,
                     .signals = signals,
                     .executable = binary(),
                     .command = "test",
                     .show = {},
                     .log = {},
                     .deadline_s = {}};
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins here
  const uint64_t before_kib = status_kib("VmRSS:");
  const ExperimentRecord record = run_experiment(plan.run, at("many"), context);
  const uint64_t peak_kib = status_kib("VmHWM:");
  const TenantRecord& tenant = record.tenants.at(0);
  EXPECT_EQ(tenant.summary.completed + tenant.exit.events_dropped, 1'000'000);
  EXPECT_GT(tenant.summary.completed, 100'000);
  EXPECT_LT(peak_kib, before_kib + (32u << 10));
}

std::string sleepers(int count) {
  std::string text = "experiment_name: many\ndevice: cpu\nmin_duration_s: 60\nwarmup_s: 0\ntenants:\n";
  for (int i = 0; i < count; ++i)
    text += "  - {name: t" + std::to_string(i) +
            ", engine: stress, stress: {kind: sleep, service_ms: 0.2}, num_iters: 5, num_warmup: 1}\n";
  return text;
}

// Samples enough that none of them has its files yet to open.
TEST_F(DriverTest, ATenantCostsThreeOpenFiles) {
  const auto open_files = [&](int tenants) {
    write("many.yaml", sleepers(tenants));
    const auto driver = start("run many.yaml");
    const std::string last = "data/many.staging/t" + std::to_string(tenants - 1) + "/events.jsonl";
    EXPECT_TRUE(eventually([&] { return fs::exists(at(last)) && fs::file_size(at(last)) > 200'000; }));
    const auto open_now = [&] {
      return std::distance(fs::directory_iterator("/proc/" + std::to_string(driver->pid()) + "/fd"), {});
    };
    auto count = open_now();  // the least: telemetry opens a file for a moment
    for (int look = 0; look < 20; ++look) {
      sleep_until_ns(now_ns() + 3'000'000);
      count = std::min(count, open_now());
    }
    driver->signal(SIGTERM);
    finish(*driver);
    return count;
  };
  EXPECT_EQ(open_files(10) - open_files(4), 6 * 3);
}

TEST_F(DriverTest, MoreTenantsThanFilesMayBeOpenAreRefused) {
  write("many.yaml", sleepers(4));
  const Finished refused = run("run many.yaml", "ulimit -n 139;");
  EXPECT_EQ(refused.status.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("4 tenants need 140 open files, one process may have 139"));
  EXPECT_FALSE(fs::exists(at("data")));
  const Finished ran = run("run many.yaml --set min_duration_s=0.1", "ulimit -Sn 64; ulimit -Hn 140;");  // raised
  EXPECT_EQ(ran.status.code, 0) << ran.err;
}

}  // namespace
}  // namespace cotenant
