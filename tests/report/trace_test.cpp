#include "report/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "base/error.h"
#include "results/event_json.h"
#include "results/record.h"
#include "results/telemetry.h"
#include "scratch.h"

namespace cotenant {
namespace {

using nlohmann::json;

json trace_of(const std::filesystem::path& directory) {
  std::string text;
  write_trace(directory, [&](std::string_view part) { text += part; });
  return json::parse(text);
}

// The rules of the Trace Event Format that a viewer relies on.
void check_rules(const json& trace) {
  ASSERT_TRUE(trace.at("traceEvents").is_array());
  std::set<int> named;
  std::map<std::string, std::vector<json>> open;  // of one async id: innermost last
  std::map<std::string, double> last;             // times within one id do not go back
  for (const json& event : trace["traceEvents"]) {
    const std::string phase = event.at("ph");
    ASSERT_TRUE(event.at("pid").is_number_integer());
    ASSERT_FALSE(event.at("name").get<std::string>().empty());
    if (phase == "M") {
      if (event["name"] == "process_name") {
        EXPECT_TRUE(event.at("args").at("name").is_string());
        EXPECT_TRUE(named.insert(event["pid"].get<int>()).second) << "named twice";
      }
      continue;
    }
    EXPECT_TRUE(named.contains(event["pid"])) << event.dump();
    const double ts = event.at("ts");
    EXPECT_GE(ts, 0);
    if (phase == "X") {
      EXPECT_GE(event.at("dur").get<double>(), 0);
    } else if (phase == "C") {
      for (const auto& [series, value] : event.at("args").items()) EXPECT_TRUE(value.is_number()) << series;
    } else if (phase == "i") {
      EXPECT_EQ(event.at("s"), "t");
    } else {
      const std::string id = event.at("cat").get<std::string>() + event.at("id").get<std::string>();
      EXPECT_GE(ts, last.contains(id) ? last[id] : 0) << event.dump();
      last[id] = ts;
      if (phase == "b") {
        open[id].push_back(event);
      } else {
        ASSERT_EQ(phase, "e");
        ASSERT_FALSE(open[id].empty()) << event.dump();
        EXPECT_EQ(open[id].back()["name"], event["name"]);
        EXPECT_EQ(open[id].back()["pid"], event["pid"]);
        open[id].pop_back();
      }
    }
  }
  for (const auto& [id, left] : open) EXPECT_TRUE(left.empty()) << id << " is never closed";
}

size_t count(const json& trace, const std::string& phase, const std::string& name, int pid = -1) {
  size_t found = 0;
  for (const json& event : trace["traceEvents"]) {
    found += event["ph"] == phase && event["name"] == name && (pid < 0 || event["pid"] == pid);
  }
  return found;
}

std::string events(int requests, int tokens) {
  fmt::memory_buffer out;
  RunStart start;
  start.model_name = "distilgpt2";
  start.batch_size = 1;
  start.seq_len = 8;
  append_json(out, start);
  for (int i = 0; i < requests; ++i) {
    Iteration iteration;
    iteration.iter = i;
    iteration.scheduled_s = i * 0.01;
    iteration.start_s = i * 0.01 + (i % 2 ? 0.001 : 0);  // every other one waits
    iteration.end_s = *iteration.start_s + 0.008;
    iteration.latency_ms = 8 + (i % 2 ? 1 : 0);
    iteration.queue_ms = i % 2 ? 1 : 0;
    for (int k = 0; k < tokens; ++k) iteration.token_s.push_back(*iteration.start_s + 0.002 * (k + 1));
    iteration.tokens_out = tokens;
    append_json(out, iteration);
  }
  return fmt::to_string(out);
}

// Two tenants, one of them with a name that is no plain text, phases before T0, telemetry.
void write_experiment(const Scratch& scratch) {
  ExperimentRecord record;
  record.settings.experiment_name = "traced";
  record.phases = {{"load", -3, -1}, {"warm", -1, 0}, {"run", 0, 0.2}};
  record.window = WindowRecord{0.0, 0.18};
  record.tenants.resize(2);
  record.tenants[0].name = "a \"quoted\" \\ <b> \n name";
  record.tenants[0].directory = "first";
  record.tenants[1].name = record.tenants[1].directory = "second";
  scratch.write("experiment.json", to_json(record));
  scratch.write("first/events.jsonl", events(10, 0));
  scratch.write("second/events.jsonl", events(7, 3));
  fmt::memory_buffer telemetry;
  for (int i = -10; i < 3; ++i) {
    TelemetrySample sample;
    sample.t_s = i * 0.1;
    sample.power_w = 300 + i;
    sample.tenants.resize(1);
    sample.tenants[0].name = "second";
    sample.tenants[0].busy_cores = 0.9;
    append_json(telemetry, sample);
  }
  scratch.write("telemetry.jsonl", fmt::to_string(telemetry));
}

TEST(Trace, KeepsTheRulesAndHoldsEverything) {
  Scratch scratch;
  write_experiment(scratch);
  const json trace = trace_of(scratch.path());
  check_rules(trace);
  EXPECT_EQ(count(trace, "M", "process_name"), 3u);
  EXPECT_EQ(count(trace, "b", "request", 2), 10u);
  EXPECT_EQ(count(trace, "b", "request", 3), 7u);
  EXPECT_EQ(count(trace, "b", "queued", 2), 5u);
  EXPECT_EQ(count(trace, "b", "first token", 3), 7u);
  EXPECT_EQ(count(trace, "b", "token", 3), 14u);
  EXPECT_EQ(count(trace, "X", "load"), 1u);
  EXPECT_EQ(count(trace, "X", "all tenants active"), 1u);
  EXPECT_EQ(count(trace, "C", "power (W)"), 13u);
  EXPECT_EQ(count(trace, "C", "busy cores", 3), 13u);
}

TEST(Trace, NamesComeThroughUnchangedAndTimeZeroIsTheLoadsBeginning) {
  Scratch scratch;
  write_experiment(scratch);
  const json trace = trace_of(scratch.path());
  int seen = 0;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "M" && event["name"] == "process_name" && event["pid"] == 2) {
      EXPECT_EQ(event["args"]["name"], "a \"quoted\" \\ <b> \n name");
      ++seen;
    }
    if (event["name"] == "load") {
      EXPECT_EQ(event["ts"], 0);
      EXPECT_EQ(event["dur"], 2e6);
      ++seen;
    }
    if (event["ph"] == "b" && event["name"] == "request" && event["args"]["iter"] == 1) {
      EXPECT_NEAR(event["ts"], 3.01e6, 1e-3);
      ++seen;
    }
  }
  EXPECT_GE(seen, 3);
}

TEST(Trace, TheStudysFilesAreSetEndToEnd) {
  Scratch scratch;
  scratch.write(
      "gpt/events.jsonl",
      "{\"type\": \"run_start\", \"timestamp\": 1.0, \"model_name\": \"distilgpt2\", \"tag\": \"x\", \"device\": "
      "\"cuda\", \"batch_size\": 8, \"seq_len\": 128, \"num_iters\": 2, \"num_warmup\": 1, \"config\": {}}\n"
      "{\"type\": \"iteration\", \"iter\": 0, \"latency_ms\": 5.0}\n"
      "{\"type\": \"iteration\", \"iter\": 1, \"latency_ms\": 4.0}\n"
      "{\"type\": \"iteration\", \"iter\": 2, \"late");
  const json trace = trace_of(scratch.path());
  check_rules(trace);
  std::vector<double> starts;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == "b") starts.push_back(event["ts"]);
  }
  EXPECT_THAT(starts, testing::ElementsAre(0, testing::DoubleNear(5000, 1e-3)));
}

TEST(Trace, ADirectoryWithoutEventsIsRefused) {
  Scratch scratch;
  try {
    trace_of(scratch.path());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
  }
}

}  // namespace
}  // namespace cotenant
