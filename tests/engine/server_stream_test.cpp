#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/server/answer.h"
#include "engine/server/answer_json.h"
#include "engine/server/sse.h"

namespace cotenant {
namespace {

std::vector<std::string> events_of(const std::vector<std::string>& pieces) {
  SseParser parser;
  std::vector<std::string> events;
  const auto keep = [&](std::string& data) { events.push_back(data); };
  for (const std::string& piece : pieces) EXPECT_TRUE(parser.feed(piece, keep));
  parser.end(keep);
  return events;
}

using Events = std::vector<std::string>;

// The examples of the standard's section 9.2.6, and what servers make of it.
TEST(SseParser, FindsTheDataOfEvents) {
  EXPECT_EQ(events_of({"data: YHOO\ndata: +2\ndata: 10\n\n"}), Events({"YHOO\n+2\n10"}));
  EXPECT_EQ(events_of({": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"}),
            Events({"first event", "second event", " third event"}));
  EXPECT_EQ(events_of({"data\n\ndata\ndata\n\n"}), Events({"", "\n"}));
  EXPECT_EQ(events_of({"data:test\n\ndata: test\n\n"}), Events({"test", "test"}));
  EXPECT_EQ(events_of({"\xef\xbb\xbf"
                       "data: a\r\n\r\ndata: b\r\rdata: c\n\n"}),
            Events({"a", "b", "c"}));
  EXPECT_EQ(events_of({"event: x\nretry: 3\n\ndatas: a\n\n"}), Events());
  EXPECT_EQ(events_of({"data: [DONE]"}), Events({"[DONE]"}));  // the last empty line is left out
}

TEST(SseParser, PiecesMayEndAnywhere) {
  const std::string text = ": c\r\ndata: one\r\ndata: two\r\n\r\nid: 3\rdata: three\r\rdata: four\n\n\r\n";
  const Events whole = events_of({text});
  EXPECT_EQ(whole, Events({"one\ntwo", "three", "four"}));
  for (size_t i = 0; i <= text.size(); ++i)
    for (size_t j = i; j <= text.size(); ++j)
      EXPECT_EQ(events_of({text.substr(0, i), text.substr(i, j - i), text.substr(j)}), whole) << i << " " << j;
}

TEST(SseParser, MemoryIsBounded) {
  const auto ignore = [](std::string&) {};
  SseParser line(100), event(100);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(line.feed("0123456789", ignore), i < 10);
  EXPECT_FALSE(line.feed("x", ignore));
  bool fits = true;
  for (int i = 0; i < 20 && fits; ++i) fits = event.feed("data: 0123456789\n", ignore);
  EXPECT_FALSE(fits);
}

AnswerJson answer_of(std::string json) {
  return read_answer(json);
}

TEST(AnswerJson, TellsTextUsageAndErrors) {
  EXPECT_TRUE(answer_of(R"({"choices":[{"index":0,"text":" a","finish_reason":null}]})").has_text);
  EXPECT_FALSE(answer_of(R"({"choices":[{"index":0,"text":"","finish_reason":null}]})").has_text);
  EXPECT_FALSE(answer_of(R"({"choices":[{"delta":{"role":"assistant","content":""}}]})").has_text);
  EXPECT_TRUE(answer_of(R"({"choices":[{"delta":{"content":"x"}}]})").has_text);
  EXPECT_TRUE(answer_of(R"({"choices":[{"delta":{"reasoning_content":"x"}}]})").has_text);
  EXPECT_FALSE(answer_of(R"({"choices":[{"logprobs":{"content":[{"token":"x","text":"x"}]}}]})").has_text);
  EXPECT_TRUE(answer_of(R"({"choices":[{"text":"","finish_reason":"length"}]})").finished);
  const AnswerJson last = answer_of(R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":9}})");
  EXPECT_EQ(last.prompt_tokens, 7);
  EXPECT_EQ(last.completion_tokens, 9);
  EXPECT_EQ(answer_of(R"({"error":{"message":"no room","code":500}})").error, "no room");
  EXPECT_EQ(answer_of(R"({"error":"no room","error_type":"overloaded"})").error, "no room");
  EXPECT_EQ(answer_of(R"({"object":"error","message":"no room"})").error, "no room");
  EXPECT_FALSE(answer_of(R"({"object":"text_completion","message":"no room","error":null})").is_error);
  EXPECT_TRUE(answer_of(R"({"object":"list","data":[{"embedding":[1,2]}],"usage":{"prompt_tokens":3}})").has_data);
  EXPECT_FALSE(answer_of(R"({"object":"list","data":[]})").has_data);
}

// They are added and subtracted afterwards.
TEST(AnswerJson, CountsThatNoAnswerHasAreNone) {
  for (const char* count : {"-1", "-9223372036854775808", "9223372036854775807", "18446744073709551615", "1e300",
                            "99999999999999999999999999", "null", "\"7\"", "[7]"}) {
    const std::string name = count;
    const AnswerJson answer = answer_of(R"({"choices":[{"text":"a"}],"usage":{"prompt_tokens":)" + name +
                                        R"(,"completion_tokens":)" + name + "}}");
    EXPECT_TRUE(answer.has_text) << count;
    EXPECT_FALSE(answer.prompt_tokens) << count;
    EXPECT_FALSE(answer.completion_tokens) << count;
  }
}

TEST(AnswerJson, LooksAtNoText) {
  EXPECT_TRUE(answer_of("{\"choices\":[{\"text\":\"\xff\xfe\xc3\"}]}").has_text);
  EXPECT_TRUE(answer_of(R"({"choices":[{"text":"\ud83d"}]})").has_text);  // half of a pair
  EXPECT_TRUE(answer_of(R"({"choices":[{"text":"\\u12"}]})").has_text);   // a backslash and u12
  for (const char* bad : {"", " ", "[1]", "7", "\"a\"", "{", "{\"choices\":[", "{}x", "{\"a\":\x01}", "[DONE]"})
    EXPECT_FALSE(answer_of(bad).is_json) << bad;
  EXPECT_FALSE(answer_of(std::string(100000, '[')).is_json);
  EXPECT_FALSE(answer_of("{\"a\":" + std::string(100000, '[')).is_json);
}

// Tokens that a chunk holds, where the server counts with each.
TEST(Answer, SeveralTokensMayComeInAChunk) {
  Answer answer;
  std::vector<int> counts;
  const auto keep = [&](int count) { counts.push_back(count); };
  answer.begin(ServerApi::completions, 8);
  answer.head(200, "text/event-stream; charset=utf-8");
  const auto chunk = [&](const std::string& text, int done) {
    EXPECT_TRUE(answer.bytes("data: {\"choices\":[{\"text\":\"" + text + "\"}],\"usage\":{\"prompt_tokens\":4," +
                                 "\"completion_tokens\":" + std::to_string(done) + "}}\n\n",
                             keep));
  };
  chunk("a", 1);
  chunk("bcd", 4);
  chunk("", 5);  // a token without text is counted with the next
  chunk("e", 6);
  EXPECT_TRUE(answer.bytes("data: [DONE]\n\n", keep));
  EXPECT_TRUE(answer.done());
  answer.end({.result = CURLE_OK, .status = 200, .connections = 0, .problem = ""}, keep);
  EXPECT_EQ(answer.fault(), Fault::none);
  EXPECT_EQ(counts, std::vector<int>({1, 3, 1}));
  EXPECT_EQ(answer.tokens(), 6);
  EXPECT_EQ(answer.chunks(), 3);
  EXPECT_TRUE(answer.has_usage_per_chunk());
}

}  // namespace
}  // namespace cotenant
