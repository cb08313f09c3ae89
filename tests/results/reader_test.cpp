#include "results/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/temporary_directory.h"
#include "results/event_json.h"

namespace cotenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A file that goes away with its test.
class Reader : public testing::Test {
 protected:
  void write(std::string_view text) { std::ofstream(file_, std::ios::binary) << text; }

  EventFile read(std::string_view text) {
    write(text);
    iterations_.clear();
    return read_events(file_, [this](const Iteration& iteration) { iterations_.push_back(iteration); });
  }

  // The message of the error that reading gives.
  std::string refusal(std::string_view text) {
    try {
      read(text);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      return e.what();
    }
    return "no error";
  }

  std::string at_line(int line) const { return file_.string() + ":" + std::to_string(line) + ": "; }

  const TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "events.jsonl";
  std::vector<Iteration> iterations_;
};

constexpr std::string_view study_start =
    R"({"type": "run_start", "timestamp": 1765226653.6, "model_name": "org/model \"x\"", "tag": "t", "device": "cuda", "batch_size": 8, "seq_len": 128, "num_iters": 100, "num_warmup": 10, "config": {"model_name": "m", "nested": {"a": [1, 2]}}})"
    "\n";
constexpr std::string_view one = R"({"type": "iteration", "iter": 0, "latency_ms": 4.5})"
                                 "\n";
constexpr std::string_view two = R"({"type": "iteration", "iter": 1, "latency_ms": 5})"
                                 "\n";
constexpr std::string_view study_end =
    R"({"type": "run_end", "timestamp": 1765226674.9, "avg_ms": 4.75, "p50_ms": 4.75, "p90_ms": 4.9, "p95_ms": 4.9, "p99_ms": 5.0, "throughput_tokens_per_s": 64917.36, "tokens_processed": 102400, "num_iters": 100})"
    "\n"
    R"({"type": "time_elapsed", "sec": 2.25})"
    "\n";

std::string text(std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const std::string_view part : parts) all += part;
  return all;
}

TEST_F(Reader, ReadsTheStudysFiles) {
  const EventFile found = read(text({study_start, one, two, study_end}));
  EXPECT_EQ(found.lines, 5u);
  EXPECT_EQ(found.iterations, 2u);
  EXPECT_FALSE(found.torn_last_line);
  ASSERT_TRUE(found.start);
  EXPECT_EQ(found.start->model_name, "org/model \"x\"");
  EXPECT_EQ(found.start->batch_size, 8);
  EXPECT_EQ(found.start->num_warmup, 10);
  EXPECT_THAT(found.start->config_json, HasSubstr("nested"));
  ASSERT_TRUE(found.end);
  EXPECT_EQ(found.end->tokens_processed, 102400);
  EXPECT_EQ(found.elapsed_s, 2.25);
  ASSERT_EQ(iterations_.size(), 2u);
  EXPECT_EQ(iterations_[0].latency_ms, 4.5);
  EXPECT_EQ(iterations_[1].latency_ms, 5);
  EXPECT_FALSE(iterations_[0].end_s);
}

TEST_F(Reader, ReadsWhatWasWritten) {
  Iteration first;
  first.iter = 7;
  first.latency_ms = 1.0 / 3;
  first.gpu_ms = 0.25;
  first.scheduled_s = 0.1;
  first.start_s = 0.125;
  first.end_s = 0.5;
  first.queue_ms = 25;
  first.ttft_ms = 0.1;
  first.tpot_ms = 0.2;
  first.token_s = {0.2, 0.3, 0.4};
  first.tokens_in = 1024;
  first.tokens_out = 24;
  Iteration second;
  second.iter = 8;
  second.latency_ms = NAN;
  second.status = IterationStatus::failed;
  fmt::memory_buffer out;
  append_json(out, first);
  append_json(out, second);
  read({out.data(), out.size()});
  ASSERT_EQ(iterations_.size(), 2u);
  EXPECT_EQ(iterations_[0].iter, 7);
  EXPECT_EQ(iterations_[0].latency_ms, 1.0 / 3);
  EXPECT_EQ(iterations_[0].gpu_ms, 0.25);
  EXPECT_EQ(iterations_[0].scheduled_s, 0.1);
  EXPECT_EQ(iterations_[0].queue_ms, 25);
  EXPECT_EQ(iterations_[0].tpot_ms, 0.2);
  EXPECT_THAT(iterations_[0].token_s, ElementsAre(0.2, 0.3, 0.4));
  EXPECT_EQ(iterations_[0].tokens_out, 24);
  EXPECT_EQ(iterations_[1].status, IterationStatus::failed);
  EXPECT_TRUE(iterations_[1].token_s.empty());
  EXPECT_FALSE(iterations_[1].gpu_ms);
}

TEST_F(Reader, ToleratesATornLastLineWhereverItIsCut) {
  const std::string whole = text({study_start, one, two});
  const size_t from = study_start.size() + one.size();
  for (size_t length = from + 1; length + 1 < whole.size(); ++length) {
    const EventFile found = read(whole.substr(0, length));
    EXPECT_TRUE(found.torn_last_line) << length;
    EXPECT_EQ(iterations_.size(), 1u) << length;
  }
  EXPECT_FALSE(read(whole.substr(0, whole.size() - 1)).torn_last_line);  // only the newline is missing
  EXPECT_EQ(iterations_.size(), 2u);
}

TEST_F(Reader, RefusesATornLineElsewhereWithItsNumber) {
  EXPECT_THAT(refusal(text({study_start, "{\"type\": \"iteration\", \"iter\": 0, \"laten\n", two})),
              HasSubstr(at_line(2)));
  EXPECT_THAT(refusal(text({study_start, one, "garbage\n", two, study_end})), HasSubstr(at_line(3)));
  // Two lines that ran into each other.
  EXPECT_THAT(refusal(text({one.substr(0, one.size() - 1), two, study_end})), HasSubstr(at_line(1)));
}

TEST_F(Reader, IgnoresAndCountsUnknownEvents) {
  const EventFile found =
      read(text({study_start, R"({"type": "gc_pause", "ms": 3})", "\n", R"({"no": "type"})", "\n", one, "\n",
                 R"({"type": "iteration", "iter": 1, "latency_ms": 2, "new_field": [{}]})"}));
  EXPECT_EQ(found.unknown_events, 2u);
  EXPECT_EQ(iterations_.size(), 2u);
}

TEST_F(Reader, RefusesLatenciesThatNoneCanBe) {
  const auto iteration = [](std::string_view latency) {
    return text({study_start, one, "{\"type\": \"iteration\", \"iter\": 1, \"latency_ms\": ", latency, "}\n", two});
  };
  for (const std::string_view latency :
       {"-0.5", "NaN", "Infinity", "-Infinity", "1e999", "\"5\"", "null", "true", "[]"})
    EXPECT_THAT(refusal(iteration(latency)), HasSubstr(at_line(3))) << latency;
  EXPECT_THAT(refusal(iteration("-0.5")), HasSubstr("-0.5"));
  EXPECT_THAT(refusal(iteration("NaN")), HasSubstr("latency_ms is NaN"));
  EXPECT_THAT(refusal(text({one, R"({"type": "iteration", "latency_ms": 2})", "\n", two})), HasSubstr("without iter"));
  // Not a torn line, though the last.
  EXPECT_THAT(refusal(text({one, R"({"type": "iteration", "iter": 1, "latency_ms": NaN})"})), HasSubstr(at_line(2)));
}

TEST_F(Reader, FlagsSuspiciousLatencies) {
  const EventFile found = read(text({one, R"({"type": "iteration", "iter": 1, "latency_ms": 0})", "\n",
                                     R"({"type": "iteration", "iter": 2, "latency_ms": 4000000})", "\n", two,
                                     R"({"type": "iteration", "iter": 3, "latency_ms": 5e-324})", "\n"}));
  EXPECT_EQ(found.suspicious, 3u);
  EXPECT_THAT(found.suspicious_lines, ElementsAre(2, 3, 5));
  EXPECT_EQ(iterations_.size(), 5u);
}

TEST_F(Reader, RefusesWhatNoMeasurementCanBe) {
  for (const std::string_view field :
       {R"("latency_ms": 1e300)", R"("latency_ms": 1, "ttft_ms": -1)", R"("latency_ms": 1, "gpu_ms": 1e300)",
        R"("latency_ms": 1, "start_s": -1e300)", R"("latency_ms": 1, "end_s": 1e18)",
        R"("latency_ms": 1, "token_s": [0.1, 1e300])", R"("latency_ms": 1, "tokens_in": -1)",
        R"("latency_ms": 1, "tokens_out": 1.5)", R"("latency_ms": 1, "tokens_out": 99999999999999999999)"})
    EXPECT_THAT(refusal(text({one, R"({"type": "iteration", "iter": 1, )", field, "}\n", two})), HasSubstr(at_line(2)))
        << field;
  EXPECT_THAT(refusal(text({R"({"type": "iteration", "iter": -1, "latency_ms": 1})", "\n"})), HasSubstr("no count"));
  EXPECT_THAT(refusal(text({one, R"({"type": "time_elapsed", "sec": 1e300})", "\n"})), HasSubstr(at_line(2)));
}

// Spreadsheets, pandas and editors: a byte order mark, lines that end as on Windows, 8.0 for 8, times as text.
TEST_F(Reader, ReadsWhatPassedThroughOtherTools) {
  const EventFile found = read(
      "\xef\xbb\xbf"
      R"({"type": "run_start", "timestamp": "2026-11-24T15:09:27.5Z", "model_name": "m", "batch_size": 8.0, "seq_len": 1.28e2, "num_iters": 2, "num_warmup": 0.0})"
      "\r\n"
      R"({"type": "iteration", "iter": 0.0, "latency_ms": 4, "tokens_in": 1024.0})"
      "\r\n"
      R"({"type": "iteration", "iter": 1.0, "latency_ms": 5, "tokens_in": null})"
      "\r\n\r\n"
      R"({"type": "run_end", "timestamp": "2026-11-24 16:09:30+01:00", "tokens_processed": 2048.0, "num_iters": 2.0})"
      "\r\n");
  ASSERT_TRUE(found.start && found.end);
  EXPECT_EQ(found.start->timestamp, 1795532967.5);
  EXPECT_EQ(found.start->batch_size, 8);
  EXPECT_EQ(found.start->seq_len, 128);
  EXPECT_EQ(found.end->timestamp, 1795532970);
  EXPECT_EQ(found.end->tokens_processed, 2048);
  ASSERT_EQ(iterations_.size(), 2u);
  EXPECT_EQ(iterations_[1].iter, 1);
  EXPECT_EQ(iterations_[0].tokens_in, 1024);
  EXPECT_FALSE(found.torn_last_line);
  EXPECT_TRUE(peek_run_start(file_));
}

// Each of these once took minutes, or all memory.
TEST_F(Reader, IsDoneWithHostileLinesInTimeThatGrowsWithTheirLength) {
  std::string words = "{\"type\": \"iteration\"";
  for (int i = 0; i < 1'000'000; ++i) words += ":NaN";
  EXPECT_THAT(refusal(text({one, words, "\n", two})), HasSubstr("iteration is NaN"));
  std::string quotes(4'000'000, '"');
  EXPECT_THAT(refusal(text({one, quotes, "\n", two})), HasSubstr(at_line(2)));
  EXPECT_THAT(refusal(text({one, std::string(4'000'000, '['), "\n", two})), HasSubstr(at_line(2)));
}

TEST_F(Reader, RefusesALineWithoutEnd) {
  write(one);
  std::filesystem::resize_file(file_, uintmax_t{3} << 30);  // zeros that take no room on the disk
  try {
    read_events(file_, [](const Iteration&) {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr(at_line(2) + "is longer than 16.0 MiB"));
  }
}

TEST_F(Reader, RefusesAnEmptyAndAMissingFile) {
  EXPECT_THAT(refusal(""), HasSubstr("empty"));
  EXPECT_THROW(read_events(file_.parent_path() / "nothing", [](const Iteration&) {}), Error);
  EXPECT_THROW(read_events(file_.parent_path(), [](const Iteration&) {}), Error);  // a directory
}

TEST_F(Reader, ReadsLinesLongerThanItsBuffer) {
  std::string line = R"({"type":"iteration","iter":0,"latency_ms":1,"token_s":[0)";
  constexpr int tokens = 400'000;
  for (int i = 1; i < tokens; ++i) line += ",0.125";
  line += "]}\n";
  read(text({one, line, two}));
  ASSERT_EQ(iterations_.size(), 3u);
  EXPECT_EQ(iterations_[1].token_s.size(), static_cast<size_t>(tokens));
  EXPECT_EQ(iterations_[2].iter, 1);
}

TEST_F(Reader, ReadsLinesThatCrossTheEdgesOfItsBuffer) {
  std::string all;
  constexpr int lines = 40'000;
  for (int i = 0; i < lines; ++i)
    all += R"({"type":"iteration","iter":)" + std::to_string(i) + R"(,"latency_ms":)" + std::to_string(i + 1) + "}\n";
  read(all);
  ASSERT_EQ(iterations_.size(), static_cast<size_t>(lines));
  for (int i = 0; i < lines; ++i) ASSERT_EQ(iterations_[static_cast<size_t>(i)].latency_ms, i + 1);
}

TEST_F(Reader, PeeksAtTheStart) {
  write(text({study_start, "this line is not read"}));
  ASSERT_TRUE(peek_run_start(file_));
  EXPECT_EQ(peek_run_start(file_)->seq_len, 128);
  write(one);
  EXPECT_FALSE(peek_run_start(file_));
  EXPECT_FALSE(peek_run_start(file_.parent_path() / "nothing"));
}

}  // namespace
}  // namespace cotenant
