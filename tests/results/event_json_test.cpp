#include "results/event_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>

namespace cotenant {
namespace {

template <class Event>
std::string line_of(const Event& event) {
  fmt::memory_buffer out;
  append_json(out, event);
  return fmt::to_string(out);
}

TEST(EventJson, WritesAnIterationWithEveryField) {
  Iteration event;
  event.iter = 3;
  event.latency_ms = 6.68;
  event.gpu_ms = 0.1;
  event.start_s = 1.25;
  event.end_s = 1.25668;
  event.status = IterationStatus::failed;
  event.token_s = {1.5, 2};
  event.tokens_in = 8;
  const std::string line = line_of(event);
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json, nlohmann::json::parse(R"({"type":"iteration","iter":3,"latency_ms":6.68,"gpu_ms":0.1,"start_s":1.25,
      "end_s":1.25668,"status":"failed","token_s":[1.5,2.0],"tokens_in":8})"));
}

TEST(EventJson, NumbersReadBackAsTheSame) {
  Iteration event;
  for (const double value : {1.0 / 3, 1e-9, 123456.789012345, 5e-324, 1e300}) {
    event.latency_ms = value;
    EXPECT_EQ(nlohmann::json::parse(line_of(event))["latency_ms"].get<double>(), value);
  }
}

TEST(EventJson, HasNoNaN) {
  Iteration event;
  event.latency_ms = std::numeric_limits<double>::quiet_NaN();
  event.start_s = std::numeric_limits<double>::infinity();
  event.token_s = {-std::numeric_limits<double>::infinity()};
  const auto json = nlohmann::json::parse(line_of(event));
  EXPECT_TRUE(json["latency_ms"].is_null());
  EXPECT_TRUE(json["start_s"].is_null());
  EXPECT_TRUE(json["token_s"][0].is_null());
}

TEST(EventJson, QuotesNamesAndEmbedsTheConfiguration) {
  RunStart event;
  event.model_name = "a\"b\\c\n\xff";
  event.tag = "é";
  event.config_json = R"({"batch_size":8})";
  const std::string line = line_of(event);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["type"], "run_start");
  EXPECT_EQ(json["model_name"], "a\"b\\c\n\xef\xbf\xbd");  // what is no UTF-8 becomes U+FFFD
  EXPECT_EQ(json["tag"], "é");
  EXPECT_EQ(json["config"]["batch_size"], 8);
}

TEST(EventJson, EndsARunAsTheStudyDid) {
  RunEnd event;
  event.avg_ms = 2.5;
  event.num_iters = 100;
  event.tokens_processed = 102400;
  const auto json = nlohmann::json::parse(line_of(event));
  for (const char* key : {"type", "timestamp", "avg_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms",
                          "throughput_tokens_per_s", "tokens_processed", "num_iters"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json.size(), 10u);
  fmt::memory_buffer out;
  append_time_elapsed(out, 0.5);
  EXPECT_EQ(fmt::to_string(out), "{\"type\":\"time_elapsed\",\"sec\":0.5}\n");
}

}  // namespace
}  // namespace cotenant
