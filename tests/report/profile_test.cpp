#include "report/profile_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "report/trace.h"
#include "results/event_json.h"
#include "results/kernels.h"
#include "results/record.h"
#include "scratch.h"

namespace cotenant {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kGemm = "void cotenant::product<__half, 128>(cotenant::Args, int (*)(int))";

KernelActivity kernel(double start_s, double end_s, uint32_t stream = 7) {
  return {.start_s = start_s, .end_s = end_s, .size = 66, .threads = 128, .name = 0, .stream = stream, .graph = 2};
}

// Two tenants whose kernels overlap from 0.3 s to 0.4 s; the first has two that overlap within one stream.
void write_profile(const Scratch& scratch) {
  ExperimentRecord record;
  record.settings.experiment_name = "profiled";
  record.settings.sharing = SharingMode::mps;
  record.settings.profiled = true;
  record.window = WindowRecord{0, 1};
  record.tenants.resize(2);
  for (size_t i = 0; i < 2; ++i) {
    record.tenants[i].name = record.tenants[i].directory = i == 0 ? "first" : "second";
    fmt::memory_buffer events;
    Iteration iteration;
    iteration.latency_ms = 900;
    iteration.start_s = 0;
    iteration.end_s = 0.9;
    append_json(events, iteration);
    scratch.write(record.tenants[i].directory + "/events.jsonl", fmt::to_string(events));
  }
  scratch.write("experiment.json", to_json(record));
  KernelRecords first, second;
  first.names = second.names = {kGemm, "prefill"};
  first.activities = {kernel(0.35, 0.38), kernel(0.0, 0.4)};
  first.activities.push_back({.start_s = 0, .end_s = 0.5, .name = 1, .kind = KernelActivity::Kind::range});
  second.activities = {kernel(0.3, 0.6, 9)};
  write_kernels(scratch.path() / "first", first);
  write_kernels(scratch.path() / "second", second);
}

std::vector<json> slices(const json& trace, const std::string& category, int pid) {
  std::vector<json> found;
  for (const json& event : trace["traceEvents"])
    if (event["ph"] == "X" && event["pid"] == pid && event["cat"] == category) found.push_back(event);
  return found;
}

TEST(ProfileTrace, ShowsTheKernelsOfBothTenantsAndTheirOverlap) {
  Scratch scratch;
  write_profile(scratch);
  std::string text;
  write_trace(scratch.path(), [&](std::string_view part) { text += part; });
  const json trace = json::parse(text);
  const auto first = slices(trace, "kernel", 2), second = slices(trace, "kernel", 3);
  ASSERT_EQ(first.size(), 2u);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(first[0]["name"], kGemm);
  EXPECT_EQ(first[0]["args"]["blocks"], 66);
  const double end_us = first[0]["ts"].get<double>() + first[0]["dur"].get<double>();
  EXPECT_NEAR(end_us - second[0]["ts"].get<double>(), 0.1e6, 1e-2);  // they ran together for 0.1 s
  EXPECT_EQ(slices(trace, "range", 2).size(), 1u);
  std::map<std::string, double> device_us;
  for (const json& slice : slices(trace, "run", 4)) device_us[slice["name"]] += slice["dur"].get<double>();
  EXPECT_NEAR(device_us["busy"], 0.6e6, 1e-2);
  EXPECT_NEAR(device_us["several tenants"], 0.1e6, 1e-2);
}

TEST(ProfileTrace, SlicesOfOneThreadNeverOverlap) {
  Scratch scratch;
  write_profile(scratch);
  std::string text;
  write_trace(scratch.path(), [&](std::string_view part) { text += part; });
  std::map<std::pair<int, int>, double> busy_until_us;
  const json trace = json::parse(text);
  size_t slices = 0;
  for (const json& event : trace.at("traceEvents")) {
    if (event["ph"] != "X") continue;
    ++slices;
    double& until_us = busy_until_us[{event["pid"], event["tid"]}];
    EXPECT_GE(event["ts"].get<double>(), until_us - 1e-2) << event.dump();
    until_us = event["ts"].get<double>() + event["dur"].get<double>();
  }
  EXPECT_GT(slices, 0u);
}

TEST(ProfileText, SaysWhatMatters) {
  Scratch scratch;
  write_profile(scratch);
  const ProfileAnalysis profile = analyze_profile(scratch.path());
  const std::string text = profile_text(profile, 10, false);
  EXPECT_THAT(text, HasSubstr("latencies are inflated"));
  EXPECT_THAT(text, HasSubstr("device: busy 60.0% of the time, with kernels of several tenants at once 10.0%"));
  EXPECT_THAT(text, HasSubstr("cotenant::product<__half, 128>\n"));
  const json parsed = json::parse(profile_json(profile));
  EXPECT_EQ(parsed["tenants"][0]["kernels"][0]["name"], kGemm);
  EXPECT_NEAR(parsed["several_tenants_percent"], 10, 1e-6);
  EXPECT_TRUE(parsed["idle_gaps"]["histogram"].back()["below_s"].is_null());
  EXPECT_THAT(profile_csv(profile), HasSubstr(std::string("\"") + kGemm + "\""));
}

TEST(ProfileText, NamesAreShortenedToFit) {
  EXPECT_EQ(short_kernel_name("void f<int>(int, float)", 40), "f<int>");
  EXPECT_EQ(short_kernel_name("plain_name", 40), "plain_name");
  EXPECT_EQ(short_kernel_name("(anonymous namespace)::f(int)", 40), "(anonymous namespace)::f");
  const std::string longer = short_kernel_name(std::string(200, 'x') + "tail", 40);
  EXPECT_EQ(longer.size(), 40u);
  EXPECT_TRUE(longer.ends_with("tail"));
}

}  // namespace
}  // namespace cotenant
