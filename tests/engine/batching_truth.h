#pragma once

#include <map>
#include <random>

#include "engine/native/continuous_engine.h"
#include "engine/native/dynamic_engine.h"
#include "truth.h"

// Checks of requests that share passes against the same requests alone, for any device.
namespace cotenant::truth {

struct Asked {
  std::vector<int32_t> prompt;
  int new_tokens = 0;
};

template <class AnEngine>
std::unique_ptr<AnEngine> warm_engine(const EngineOptions& options) {
  auto engine = std::make_unique<AnEngine>(options);
  engine->load();
  engine->prepare();
  engine->warm();
  return engine;
}

inline EngineOptions options_for(const std::string& name, const Setting& setting) {
  EngineOptions options;
  options.model = std::make_shared<const Model>(open_model(fixture_directory(name).string(), "auto", 0));
  options.device = setting.device;
  options.dtype = setting.dtype;
  options.threads = setting.threads;
  return options;
}

// Prompts of the fixture, whole and cut off at random, with answers of random lengths.
inline std::vector<Asked> requests_of(const Expected& expected, int count) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int64_t> row(0, expected.rows - 1), length(1, expected.length);
  std::uniform_int_distribution<int> answer(1, static_cast<int>(expected.new_length));
  std::vector<Asked> requests;
  for (int i = 0; i < count; ++i) {
    const auto begin = expected.input_ids.begin() + row(random) * expected.length;
    const int64_t tokens = i % 3 == 0 ? expected.length : length(random);
    requests.push_back({{begin, begin + tokens}, answer(random)});
  }
  return requests;
}

// Answers by request; a new one is sent whenever there is room and `gap` steps have passed.
inline std::map<uint64_t, std::vector<int32_t>> answers_of(ContinuousEngine& engine, const std::vector<Asked>& requests,
                                                           int gap) {
  std::map<uint64_t, std::vector<int32_t>> answers;
  size_t sent = 0, done = 0;
  for (int steps = 0; done < requests.size(); ++steps) {
    for (; sent < requests.size() && (gap == 0 || steps % gap == 0); ++sent) {
      const Asked& asked = requests[sent];
      if (!engine.submit({.id = sent,
                          .tokens = asked.prompt,
                          .rows = 1,
                          .seq_len = static_cast<int>(asked.prompt.size()),
                          .max_new_tokens = asked.new_tokens}))
        break;
      if (gap > 0) {
        ++sent;
        break;
      }
    }
    for (const Progress& progress : engine.step(now_ns())) {
      if (progress.status == Status::token) answers[progress.id].push_back(progress.token);
      done += progress.status == Status::done;
    }
  }
  return answers;
}

// How many of the answers, and of their first tokens, are those of the requests alone.
struct Agreement {
  size_t requests = 0, answers = 0, first_tokens = 0;
};

inline Agreement agreement_with_alone(const std::string& name, const Setting& setting, int slots, int chunk_tokens,
                                      int gap) {
  const Expected expected = read_expected(name);
  EngineOptions options = options_for(name, setting);
  options.seq_len = static_cast<int>(expected.length);
  options.max_new_tokens = static_cast<int>(expected.new_length);
  options.slots = slots;
  options.chunk_tokens = chunk_tokens;
  const std::vector<Asked> requests = requests_of(expected, 14);
  auto engine = warm_engine<ContinuousEngine>(options);
  auto answers = answers_of(*engine, requests, gap);
  Agreement agreement{.requests = requests.size()};
  std::map<size_t, std::unique_ptr<NativeEngine>> alone;  // by the length of the prompt
  for (size_t i = 0; i < requests.size(); ++i) {
    auto& reference = alone[requests[i].prompt.size()];
    if (!reference)
      reference = engine_for(name, setting, 1, static_cast<int64_t>(requests[i].prompt.size()), expected.new_length);
    const auto wanted = generate(*reference, requests[i].prompt, 1, requests[i].new_tokens);
    EXPECT_EQ(answers[i].size(), wanted.size());
    agreement.answers += answers[i] == wanted;
    agreement.first_tokens += !answers[i].empty() && answers[i].front() == wanted.front();
  }
  return agreement;
}

}  // namespace cotenant::truth
