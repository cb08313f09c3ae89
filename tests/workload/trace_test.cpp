#include "workload/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/temporary_directory.h"

namespace cotenant {
namespace {

class TraceFile : public ::testing::Test {
 protected:
  Trace read(const std::string& text, const TraceOptions& options = {}) {
    std::ofstream(file_, std::ios::binary) << text;
    return read_trace(file_, options);
  }
  // What is said of it.
  std::string complaint(const std::string& text, const TraceOptions& options = {}) {
    try {
      read(text, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      return error.what();
    }
    return "nothing";
  }

  const TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "trace";
};

void expect_request(const Trace& trace, size_t i, int64_t at_ns, int prompt, int answer) {
  ASSERT_LT(i, trace.requests.size());
  EXPECT_EQ(trace.requests[i].at_ns, at_ns) << i;
  EXPECT_EQ(trace.requests[i].prompt, prompt) << i;
  EXPECT_EQ(trace.requests[i].answer, answer) << i;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The first lines of AzureLLMInferenceTrace_conv.csv have this form.
TEST_F(TraceFile, UnderstandsAzures2023) {
  const Trace trace = read(
      "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
      "2023-11-16 18:15:46.6805900,374,44\r\n"
      "2023-11-16 18:15:50.9951690,396,109\r\n"
      "2023-11-17 00:00:00.0000000,879,55");
  ASSERT_EQ(trace.requests.size(), 3u);
  expect_request(trace, 0, 0, 374, 44);
  expect_request(trace, 1, 4'314'579'000, 396, 109);
  expect_request(trace, 2, 20'653'319'410'000, 879, 55);
  EXPECT_EQ(trace.longest_prompt, 879);
  EXPECT_EQ(trace.longest_answer, 109);
  EXPECT_NEAR(trace.longest_gap_s, 20'653.319410 - 4.314579, 1e-6);
}

TEST_F(TraceFile, UnderstandsAzures2024) {
  const Trace trace = read(
      "TIMESTAMP,ContextTokens,GeneratedTokens\n"
      "2024-05-10 00:00:00.009930+00:00,2162,5\n"
      "2024-05-10 00:00:01+00:00,2399,6\n");
  expect_request(trace, 0, 0, 2162, 5);
  expect_request(trace, 1, 990'070'000, 2399, 6);
}

TEST_F(TraceFile, UnderstandsBurstGpts) {
  const Trace first = read(
      "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "5,ChatGPT,472,18,490,Conversation log\n"
      "45,\"Chat, GPT\",1087,230,1317,Conversation log\n"
      "118,GPT-4,417,0,417,API log\n"
      "118.25,GPT-4,417,276,693,Conversation log\n");
  ASSERT_EQ(first.requests.size(), 3u);
  EXPECT_EQ(first.left_out, 1);  // it failed: there was no answer
  expect_request(first, 1, 40'000'000'000, 1087, 230);
  expect_request(first, 2, 113'250'000'000, 417, 276);
  const Trace later = read(
      "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
      "19440110.0,1722ac82-0a46,43,GPT-4,906,446,1352,Conversation log\n"
      "19440161.5,,2,ChatGPT,36,29,65,Conversation log\n");
  expect_request(later, 1, 51'500'000'000, 36, 29);
}

TEST_F(TraceFile, UnderstandsMooncakes) {
  const Trace trace =
      read(R"({"timestamp": 27482, "input_length": 6755, "output_length": 500, "hash_ids": [0, 1, 2, 3]})"
           "\n"
           R"({"timestamp": 30535.5, "input_length": 7319, "output_length": 490, "hash_ids": [0, 14, 15]})"
           "\n");
  expect_request(trace, 0, 0, 6755, 500);
  expect_request(trace, 1, 3'053'500'000, 7319, 490);
}

TEST_F(TraceFile, HasALayoutOfItsOwn) {
  const Trace csv = read("timestamp_s,input_tokens,output_tokens\n0.5,10,1\n 1.75 , 20 , 2 , more\n1e1,30,3\n");
  expect_request(csv, 1, 1'250'000'000, 20, 2);
  expect_request(csv, 2, 9'500'000'000, 30, 3);
  const Trace json = read(R"({"input_tokens":8,"timestamp_ms":100,"output_tokens":1}
{"timestamp_ms":100.25,"input_tokens":9.0,"output_tokens":2,"more":{"timestamp":[1]}})");
  expect_request(json, 1, 250'000, 9, 2);
  expect_request(read("timestamp_ns,prompt_tokens,completion_tokens\n1700000000123456789,1,1\n1700000000123456790,2,2"),
                 1, 1, 2, 2);
  expect_request(read(R"({"timestamp":"2026-01-01T00:00:00Z","input_tokens":1,"output_tokens":1}
{"timestamp":"2026-01-01T00:00:00.000000001Z","input_tokens":1,"output_tokens":1})"),
                 1, 1, 1, 1);
}

TEST_F(TraceFile, WithoutAnswersRequestsAreForwardPasses) {
  expect_request(read("timestamp,input_tokens\n0,10\n2,20\n"), 1, 2'000'000'000, 20, 0);
  const Trace json = read(R"({"timestamp":0,"input_tokens":10}
{"timestamp":2,"input_tokens":20})");
  expect_request(json, 1, 2'000'000'000, 20, 0);
  EXPECT_EQ(json.left_out, 0);
}

TEST_F(TraceFile, TakesTheMarksThatOtherToolsLeave) {
  const Trace trace =
      read("\xef\xbb\xbftimestamp,input_tokens,output_tokens\r\n\r\n1,10,1\r\n\r\n  \r\n3,20,2\r\n\r\n");
  ASSERT_EQ(trace.requests.size(), 2u);
  expect_request(trace, 1, 2'000'000'000, 20, 2);
}

TEST_F(TraceFile, PutsRequestsInTheOrderOfTheirInstants) {
  const Trace trace = read("timestamp,input_tokens,output_tokens\n5,1,1\n3,2,2\n5,3,3\n4,4,4\n");
  EXPECT_EQ(trace.out_of_order, 2);
  expect_request(trace, 0, 0, 2, 2);
  expect_request(trace, 1, 1'000'000'000, 4, 4);
  expect_request(trace, 2, 2'000'000'000, 1, 1);
  expect_request(trace, 3, 2'000'000'000, 3, 3);
}

TEST_F(TraceFile, IsSpedUpAndCut) {
  const std::string text = "timestamp,input_tokens,output_tokens\n10,1,1\n11,2,2\n20,3,3\n10.5,4,4\n";
  expect_request(read(text, {.speedup = 4}), 3, 2'500'000'000, 3, 3);
  expect_request(read(text, {.speedup = 0.5}), 3, 20'000'000'000, 3, 3);
  const Trace cut = read(text, {.limit = 2});
  EXPECT_EQ(cut.requests.size(), 2u);
  EXPECT_EQ(cut.longest_prompt, 2);
  EXPECT_EQ(read(text, {.limit = 9}).requests.size(), 4u);
}

TEST_F(TraceFile, RefusesWhatIsWrongAndSaysWhere) {
  const std::string header = "timestamp,input_tokens,output_tokens\n";
  EXPECT_TRUE(contains(complaint(header + "0,1,1\n-1,1,1\n"), "trace:3: its instant is negative"));
  EXPECT_TRUE(contains(complaint(header + "0,-1,1\n"), "trace:2: its \"input_tokens\" is negative"));
  EXPECT_TRUE(contains(complaint(header + "0,1\n"), "trace:2: it has no \"output_tokens\""));
  EXPECT_TRUE(contains(complaint(header + "0,,1\n"), "trace:2: it has no \"input_tokens\""));
  EXPECT_TRUE(contains(complaint(header + "0,1.5,1\n"), "no count of tokens"));
  EXPECT_TRUE(contains(complaint(header + "0,many,1\n"), "no count of tokens"));
  EXPECT_TRUE(contains(complaint(header + "0,1048577,1\n"), "at most 1048576"));
  EXPECT_TRUE(contains(complaint(header + "0,99999999999999999999,1\n"), "at most 1048576"));
  EXPECT_TRUE(contains(complaint(header + "soon,1,1\n"), "neither a number nor a date"));
  EXPECT_TRUE(contains(complaint(header + "nan,1,1\n"), "beyond all times"));
  EXPECT_TRUE(contains(complaint(header + "inf,1,1\n"), "beyond all times"));
  EXPECT_TRUE(contains(complaint(header + "1e300,1,1\n"), "beyond all times"));
  EXPECT_TRUE(contains(complaint(header + "1901-01-01T00:00:00,1,1\n"), "before 1970"));
  EXPECT_TRUE(contains(complaint("a,b,c\n1,2,3\n"), "names no timestamp"));
  EXPECT_TRUE(contains(complaint("1,2,3\n"), "names no timestamp"));
  EXPECT_TRUE(contains(complaint("timestamp\n1\n"), "names no tokens of the prompt"));
  EXPECT_TRUE(
      contains(complaint("timestamp,timestamp_ms,input_tokens\n1,1,1\n"), "\"timestamp\" and \"timestamp_ms\""));
  EXPECT_TRUE(contains(complaint(""), "has no request"));
  EXPECT_TRUE(contains(complaint(header), "has no request"));
  EXPECT_TRUE(contains(complaint(header + "1,0,5\n2,5,0\n"), "no request with tokens in and out"));
  EXPECT_TRUE(contains(complaint("\x1f\x8b\x08 packed"), "Unpack it first"));
  EXPECT_TRUE(contains(complaint(R"({"timestamp":0,"input_tokens":1)"), "no JSON object"));
  EXPECT_TRUE(contains(complaint("{\"timestamp\":0,\"input_tokens\":1}\n[]\n"), "trace:2: it is no JSON object"));
  EXPECT_TRUE(contains(complaint(R"({"input_tokens":1})"), "no timestamp"));
  EXPECT_TRUE(contains(complaint(R"({"timestamp":1})"), "no tokens of the prompt"));
  EXPECT_TRUE(contains(complaint(R"({"timestamp":1,"input_tokens":null})"), "no count of tokens"));
  EXPECT_TRUE(contains(complaint(R"({"timestamp":[1],"input_tokens":1})"), "neither a number nor a date"));
  for (const double speedup : {0.0, -1.0}) EXPECT_NE(complaint(header + "0,1,1\n", {.speedup = speedup}), "nothing");
  EXPECT_TRUE(contains(complaint(header + "0,1,1\n9000000000,1,1\n", {.speedup = 1e-6}), "longer than a century"));
  EXPECT_THROW(read_trace(directory_.path() / "none", {}), Error);
  EXPECT_THROW(read_trace(directory_.path(), {}), Error);
}

TEST_F(TraceFile, MayBeALinkButMustBeAFile) {
  read("timestamp,input_tokens\n0,1\n");
  const auto link = directory_.path() / "link";
  std::filesystem::create_symlink(file_, link);
  EXPECT_EQ(read_trace(link, {}).requests.size(), 1u);
  EXPECT_THROW(read_trace("/dev/zero", {}), Error);
}

// Time and memory grow with their number, and with nothing else.
TEST_F(TraceFile, ReadsManyLines) {
  constexpr int lines = 300'000;
  std::string text = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < lines; ++i) {
    text += "2024-05-10 00:00:00." + std::to_string(1'000'000 + i).substr(1) + "+00:00,";
    text += std::to_string(1 + i % 4000) + ",7\n";
  }
  const Trace trace = read(text);
  ASSERT_EQ(trace.requests.size(), static_cast<size_t>(lines));
  expect_request(trace, 299'999, 299'999'000, 4000, 7);
}

}  // namespace
}  // namespace cotenant
