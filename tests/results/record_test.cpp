#include "results/record.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cotenant {
namespace {

using testing::HasSubstr;

ExperimentRecord sample_record() {
  ExperimentRecord record;
  record.settings.experiment_name = "pair \"é\"\n";
  record.settings.seed = std::numeric_limits<uint64_t>::max();
  record.settings.min_duration_s = 0.1;
  record.host.logical_cpus = 2;
  record.host.load1 = 0.25;
  record.phases = {{"load", -3.5, -1.25}, {"run", 0, 5}};
  record.window = WindowRecord{0.001, 5.5};
  record.validity.reasons = {"a", "b"};
  record.validity.warnings = {{"what", "remedy"}};
  TenantRecord tenant;
  tenant.name = "org/model";
  tenant.cpus = {0, 3};
  tenant.priority = -2;
  tenant.summary.latency.count = 3;
  tenant.summary.latency.p50_ms = 6.68;
  tenant.exit.signal = 9;
  record.tenants = {tenant, TenantRecord()};
  record.device().power_limit_w = 700;
  record.foreign.gpu_processes = {"python, pid 4711"};
  record.telemetry.sampler_cpu_percent = 0.25;
  record.telemetry.counters_gap = "none";
  return record;
}

// Two GPUs, a tenant on each.
ExperimentRecord record_of_two_devices() {
  ExperimentRecord record = sample_record();
  record.settings.device = "cuda:0";
  record.devices.resize(2);
  for (size_t i = 0; i < 2; ++i) {
    DeviceRecord& device = record.devices[i];
    device.device = record.tenants[i].device = fmt::format("cuda:{}", i);
    device.name = "GPU";
    device.uuid = fmt::format("GPU-{}", i);
    device.sm_clock_mhz = 1500.0 + 100.0 * static_cast<double>(i);
    device.summary.tokens_per_s = 1000.0 * static_cast<double>(i + 1);
  }
  return record;
}

TEST(Record, KeepsEachDeviceAndWhoseItWas) {
  const ExperimentRecord after = record_from_json(to_json(record_of_two_devices()), "experiment.json");
  ASSERT_EQ(after.devices.size(), 2u);
  EXPECT_EQ(after.devices[1].sm_clock_mhz, 1600);
  EXPECT_EQ(after.devices[1].summary.tokens_per_s, 2000);
  EXPECT_EQ(device_of(after, after.tenants[0]).uuid, "GPU-0");
  EXPECT_EQ(device_of(after, after.tenants[1]).uuid, "GPU-1");
  EXPECT_EQ(device_names(after), "2 x GPU");
  EXPECT_EQ(device_uuids(after), "GPU-0+GPU-1");
  EXPECT_EQ(to_json(after), to_json(record_of_two_devices()));
  EXPECT_EQ(nlohmann::json::parse(to_json(after)).at("device").at("uuid"), "GPU-0");  // for readers that know one
}

// As all files were up to 0.2: the tenants did not say that they stood on the one device that there was.
TEST(Record, OfOneDeviceWithoutItsNameIsThatOfAllTenants) {
  const ExperimentRecord old =
      record_from_json(R"({"settings":{"device":"cuda:1"},"device":{"name":"GPU","uuid":"GPU-1","sm_count":132},)"
                       R"("tenants":[{"name":"a"},{"name":"b"}]})",
                       "experiment.json");
  ASSERT_EQ(old.devices.size(), 1u);
  EXPECT_EQ(old.device().device, "cuda:1");
  EXPECT_EQ(old.device().sm_count, 132);
  for (const TenantRecord& tenant : old.tenants) {
    EXPECT_EQ(tenant.device, "cuda:1");
    EXPECT_EQ(device_of(old, tenant).uuid, "GPU-1");
  }
}

TEST(Record, ReadsBackWhatItWrote) {
  const ExperimentRecord before = sample_record();
  const ExperimentRecord after = record_from_json(to_json(before), "experiment.json");
  EXPECT_EQ(to_json(after), to_json(before));
  EXPECT_EQ(after.settings.experiment_name, before.settings.experiment_name);
  EXPECT_EQ(after.settings.seed, before.settings.seed);
  EXPECT_EQ(after.settings.min_duration_s, before.settings.min_duration_s);
  EXPECT_EQ(after.window->end_s, 5.5);
  EXPECT_EQ(after.validity.warnings.at(0).remedy, "remedy");
  EXPECT_EQ(after.tenants.at(0).cpus, (std::vector<int>{0, 3}));
  EXPECT_EQ(after.tenants.at(0).priority, -2);
  EXPECT_EQ(after.tenants.at(0).summary.latency.p50_ms, 6.68);
  EXPECT_EQ(after.tenants.at(1).summary.latency.p50_ms, std::nullopt);
  EXPECT_EQ(after.tenants.at(0).exit.signal, 9);
  EXPECT_EQ(after.device().power_limit_w, 700);
  EXPECT_THAT(after.foreign.gpu_processes, testing::ElementsAre("python, pid 4711"));
  EXPECT_EQ(after.telemetry.sampler_cpu_percent, 0.25);
  EXPECT_EQ(after.telemetry.counters_gap, "none");
}

TEST(Record, WritesNullForWhatIsNotFinite) {
  ExperimentRecord record = sample_record();
  record.window->end_s = std::numeric_limits<double>::quiet_NaN();
  record.tenants[0].summary.latency.p50_ms = std::numeric_limits<double>::infinity();
  const auto json = nlohmann::json::parse(to_json(record));
  EXPECT_TRUE(json["window"]["end_s"].is_null());
  EXPECT_TRUE(json["tenants"][0]["summary"]["latency"]["p50_ms"].is_null());
}

TEST(Record, KeepsDefaultsForWhatIsMissing) {
  const ExperimentRecord record = record_from_json(R"({"tenants": [{}], "unknown": 1})", "x");
  ASSERT_EQ(record.tenants.size(), 1u);
  EXPECT_EQ(record.tenants[0].threads, std::nullopt);
  ASSERT_NE(record.tenants[0].native(), nullptr);
  EXPECT_EQ(record.tenants[0].task, Task::forward);
  EXPECT_FALSE(record.window);
  EXPECT_FALSE(record.validity.complete);
}

TEST(Record, OfAStressorThatWasWrittenBeforeItsLoadStoodInTwoPlaces) {
  const ExperimentRecord record = record_from_json(
      R"({"tenants": [{"engine": "stress", "stress_kind": "dram", "service_ms": 2, "dtype": "", "max_new_tokens": 0,
                       "stress": {"intensity": 0.5, "period_ms": 4, "sms": 16}}]})",
      "x");
  const StressSpec* stress = record.tenants.at(0).stressor();
  ASSERT_NE(stress, nullptr);
  EXPECT_EQ(stress->kind, StressKind::dram);
  EXPECT_EQ(stress->intensity, 0.5);
  EXPECT_EQ(stress->sms, 16);
  EXPECT_EQ(stress->period_ms(), 4);
}

std::string error_of(const std::string& text) {
  try {
    record_from_json(text, "experiment.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "no error";
}

TEST(Record, NamesThePlaceOfAWrongValue) {
  EXPECT_THAT(error_of(R"({"tenants": [{"task": "dance"}]})"),
              HasSubstr("experiment.json: tenants[0].task: expected one of forward, generate, found \"dance\""));
  EXPECT_THAT(error_of(R"({"tenants": [{"threads": "two"}]})"),
              HasSubstr("experiment.json: tenants[0].threads: expected an integer, found \"two\""));
  EXPECT_THAT(error_of(R"({"tenants": [{"threads": 1e99}]})"), HasSubstr("expected an integer"));
  EXPECT_THAT(error_of(R"({"tenants": [{"threads": 99999999999}]})"), HasSubstr("expected an integer"));
  EXPECT_THAT(error_of(R"({"settings": {"seed": -1}})"), HasSubstr("settings.seed"));
  EXPECT_THAT(error_of(R"({"tenants": 3})"), HasSubstr("tenants: expected a list"));
  EXPECT_THAT(error_of(R"([])"), HasSubstr("experiment.json: expected an object"));
  EXPECT_THAT(error_of(R"({"tenants": )"), HasSubstr("not valid JSON"));
}

TEST(Record, RefusesNestingThatCouldEndTheProgram) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string text = "{\"tenants\": ";
    for (int i = 0; i < 200'000; ++i) text += open;
    EXPECT_THAT(error_of(text), HasSubstr("experiment.json: is nested more than 64 levels deep"));
  }
}

// A message quotes what was read last, which may be most of the file.
TEST(Record, MessagesAreShort) {
  EXPECT_LT(error_of("{\"a\": \"" + std::string(1'000'000, 'x')).size(), 400u);
  EXPECT_LT(error_of("{\"tenants\": \"" + std::string(1'000'000, 'x') + "\"}").size(), 400u);
}

TEST(Record, ReadsWhatPassedThroughOtherTools) {
  const ExperimentRecord record = record_from_json(
      "\xef\xbb\xbf{\"tenants\": [{\"threads\": 8.0, \"seq_len\": 1.28e2}],\r\n \"settings\": {\"seed\": 3.0}, "
      "\"t0_wall_s\": \"2026-11-24T15:09:27Z\"}\r\n",
      "x");
  EXPECT_EQ(record.t0_wall_s, 1795532967);
  EXPECT_EQ(record.tenants.at(0).threads, 8);
  EXPECT_EQ(record.tenants.at(0).seq_len, 128);
  EXPECT_EQ(record.settings.seed, 3u);
  EXPECT_THAT(error_of(R"({"tenants": [{"threads": 8.5}]})"), HasSubstr("expected an integer, found 8.5"));
}

TEST(Record, RefusesALaterFormat) {
  EXPECT_THAT(error_of(R"({"format": 1000})"), HasSubstr("format is 1000"));
}

}  // namespace
}  // namespace cotenant
