#include "engine/native/slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "base/error.h"

// Slots against a model of which everything is known: its next token is a hash of all that it sees in its row of the
// cache, so that one token written to the wrong place, read too early or left behind by somebody shows in the answer.
namespace cotenant {
namespace {

int32_t next_token(const std::vector<int32_t>& seen) {
  uint32_t hash = 2166136261u;
  for (const int32_t token : seen) hash = (hash ^ static_cast<uint32_t>(token)) * 16777619u;
  return static_cast<int32_t>(hash >> 8);
}

std::vector<int32_t> answer_alone(std::vector<int32_t> prompt, int count) {
  std::vector<int32_t> answer;
  for (int i = 0; i < count; ++i) {
    answer.push_back(next_token(prompt));
    prompt.push_back(answer.back());
  }
  return answer;
}

// What a device does with a step: all keys and values of the step are written, and then read.
class HashModel {
 public:
  explicit HashModel(const SlotShape& shape)
      : shape_(shape),
        at_(shape),
        last_(static_cast<size_t>(shape.slots), 0),
        cache_(static_cast<size_t>(shape.slots + 1), std::vector<int32_t>(static_cast<size_t>(shape.capacity), -1)) {}

  // The next token of each slot that takes part.
  std::vector<int32_t> run(const Step& step) {
    const auto in = [&](int at) { return step.input.at(static_cast<size_t>(at)); };
    struct Token {
      int32_t row, position;
    };
    std::vector<Token> tokens;
    const auto write = [&](int32_t row, int32_t position, int32_t token) {
      cache_.at(static_cast<size_t>(row)).at(static_cast<size_t>(position)) = token;
      tokens.push_back({row, position});
    };
    for (int s = 0; s < step.rows; ++s) write(s, in(at_.positions + s), last_[static_cast<size_t>(s)]);
    for (int p = 0; p < step.pieces; ++p)
      for (int i = 0; i < shape_.piece; ++i)
        write(in(at_.piece_rows + p), in(at_.piece_positions + p * shape_.piece + i),
              in(at_.piece_tokens + p * shape_.piece + i));
    std::vector<int32_t> next;
    for (int s = 0; s < step.rows; ++s) {
      const Token& from = tokens.at(static_cast<size_t>(step.pieces > 0 ? in(at_.outputs + s) : s));
      const auto& row = cache_[static_cast<size_t>(from.row)];
      next.push_back(next_token({row.begin(), row.begin() + from.position + 1}));
    }
    std::ranges::copy(next, last_.begin());
    return next;
  }

 private:
  const SlotShape shape_;
  const StepLayout at_;
  std::vector<int32_t> last_;
  std::vector<std::vector<int32_t>> cache_;
};

struct Asked {
  std::vector<int32_t> prompt;
  int new_tokens;
};

// Requests come when `arrives` says so, at random; all answers must be those of the request alone. Returns the steps.
int serve(const SlotShape& shape, const std::vector<Asked>& requests, double arrives) {
  std::mt19937 random(5);
  std::bernoulli_distribution comes(arrives);
  Slots slots(shape);
  HashModel model(shape);
  std::map<uint64_t, std::vector<int32_t>> answers;
  size_t sent = 0, done = 0;
  int steps = 0;
  Step step;
  while (done < requests.size()) {
    while (sent < requests.size() && !slots.full() && comes(random)) {
      slots.admit(sent, requests[sent].prompt, requests[sent].new_tokens);
      ++sent;
    }
    if (!slots.plan(step)) continue;
    ++steps;
    EXPECT_GE(step.rows, 1);
    EXPECT_LE(step.rows, shape.slots);
    EXPECT_LE(step.pieces, shape.most_pieces);
    EXPECT_THAT(Slots::sizes(shape.slots), testing::Contains(step.rows));
    const std::vector<int32_t> next = model.run(step);
    for (const Step::Token& token : step.tokens) {
      auto& answer = answers[token.id];
      answer.push_back(next.at(static_cast<size_t>(token.slot)));
      EXPECT_EQ(token.last, std::ssize(answer) == requests[token.id].new_tokens);
      done += token.last;
    }
  }
  EXPECT_TRUE(slots.idle());
  EXPECT_FALSE(slots.plan(step));
  for (size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(answers[i], answer_alone(requests[i].prompt, requests[i].new_tokens)) << "request " << i;
  return steps;
}

std::vector<Asked> random_requests(int count, int seq_len, int most_new) {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> length(1, seq_len), tokens(1, most_new), token(0, 1000);
  std::vector<Asked> requests(static_cast<size_t>(count));
  for (Asked& request : requests) {
    request.prompt.resize(static_cast<size_t>(length(random)));
    for (int32_t& t : request.prompt) t = token(random);
    request.new_tokens = tokens(random);
  }
  return requests;
}

TEST(Slots, AnswersAreThoseOfEachRequestAlone) {
  for (const int slots : {1, 2, 3, 8})
    for (const int chunk : {1, 5, 16, 64, 0})
      for (const double arrives : {0.05, 0.5, 1.0}) {
        SCOPED_TRACE(testing::Message() << slots << " slots, chunks of " << chunk << ", arrivals " << arrives);
        serve(slot_shape(slots, 40, 12, chunk), random_requests(60, 40, 12), arrives);
      }
}

TEST(Slots, LongestPromptsAndAnswersFillTheirRows) {
  std::vector<Asked> requests;
  for (int32_t i = 0; i < 9; ++i) requests.push_back({std::vector<int32_t>(100, i), 30});
  serve(slot_shape(4, 100, 30, 64), requests, 1.0);
}

TEST(Slots, AStepHasATokenOfEachThatGenerates) {
  const SlotShape shape = slot_shape(4, 8, 16, 0);
  std::vector<Asked> requests(4, {std::vector<int32_t>(8, 1), 16});
  EXPECT_EQ(serve(shape, requests, 1.0), 16);  // one with all prompts, and fifteen
}

// A long prompt goes in pieces, between which those that generate go on.
TEST(Slots, ALongPromptDoesNotStallTheOthers) {
  const SlotShape shape = slot_shape(2, 1000, 50, 100);
  Slots slots(shape);
  const std::vector<int32_t> quick(10, 1), slow(1000, 2);
  slots.admit(1, quick, 50);
  Step step;
  ASSERT_TRUE(slots.plan(step));
  slots.admit(2, slow, 1);
  int steps = 0, tokens_of_quick = 0;
  for (bool over = false; !over; ++steps) {
    ASSERT_TRUE(slots.plan(step));
    EXPECT_LE(step.pieces * shape.piece, 100);
    for (const Step::Token& token : step.tokens) {
      tokens_of_quick += token.id == 1;
      over |= token.id == 2;
    }
  }
  EXPECT_EQ(steps, (1000 + shape.piece - 1) / shape.piece);
  EXPECT_EQ(tokens_of_quick, steps);
}

TEST(Slots, FirstComeFirstServed) {
  const SlotShape shape = slot_shape(3, 64, 4, 64);
  Slots slots(shape);
  const std::vector<int32_t> prompt(64, 1);
  for (const uint64_t id : {7u, 5u, 6u}) slots.admit(id, prompt, 4);
  EXPECT_TRUE(slots.full());
  std::vector<uint64_t> order;
  Step step;
  for (int i = 0; i < 3 && slots.plan(step); ++i)
    for (const Step::Token& token : step.tokens)
      if (std::ranges::find(order, token.id) == order.end()) order.push_back(token.id);
  EXPECT_THAT(order, testing::ElementsAre(7, 5, 6));
}

TEST(Slots, WhatDoesNotFitIsADefect) {
  Slots slots(slot_shape(1, 8, 4, 0));
  const std::vector<int32_t> fits(8, 1), longer(9, 1);
  EXPECT_THROW(slots.admit(1, longer, 1), Error);
  EXPECT_THROW(slots.admit(1, fits, 5), Error);
  EXPECT_THROW(slots.admit(1, fits, 0), Error);
  EXPECT_THROW(slots.admit(1, {}, 1), Error);
  slots.admit(1, fits, 4);
  EXPECT_THROW(slots.admit(2, fits, 4), Error);  // there is no second slot
}

}  // namespace
}  // namespace cotenant
