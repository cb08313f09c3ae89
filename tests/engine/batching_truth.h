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

// Prompts of the fixture, whole, halves and single tokens, with answers of random lengths.
inline std::vector<Asked> requests_of(const Expected& expected, int count) {
  std::mt19937 random(3);
  std::uniform_int_distribution<int64_t> row(0, expected.rows - 1);
  std::uniform_int_distribution<int> answer(1, static_cast<int>(expected.new_length));
  const int64_t lengths[] = {expected.length, 1, expected.length / 2};
  std::vector<Asked> requests;
  for (int i = 0; i < count; ++i) {
    const auto begin = expected.input_ids.begin() + row(random) * expected.length;
    requests.push_back({{begin, begin + lengths[i % 3]}, answer(random)});
  }
  return requests;
}

// The same requests one by one.
class Alone {
 public:
  Alone(std::string name, const Setting& setting, int64_t most_tokens)
      : name_(std::move(name)), setting_(setting), most_tokens_(most_tokens) {}

  std::vector<int32_t> answer(const Asked& asked) {
    auto& engine = engines_[asked.prompt.size()];
    if (!engine) engine = engine_for(name_, setting_, 1, static_cast<int64_t>(asked.prompt.size()), most_tokens_);
    return generate(*engine, asked.prompt, 1, asked.new_tokens);
  }

 private:
  const std::string name_;
  const Setting setting_;
  const int64_t most_tokens_;
  std::map<size_t, std::unique_ptr<NativeEngine>> engines_;  // by the length of the prompt
};

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

struct Sharing {
  int slots, chunk_tokens;
  int gap;  // steps between two requests; 0: all at once
};

// How many of the answers, and of their first tokens, are those of the requests alone.
struct Agreement {
  size_t requests = 0, answers = 0, first_tokens = 0;
};

inline Agreement agreement_with_alone(const std::string& name, const Setting& setting,
                                      const std::vector<Sharing>& ways) {
  const Expected expected = read_expected(name);
  const std::vector<Asked> requests = requests_of(expected, 14);
  Alone alone(name, setting, expected.new_length);
  Agreement agreement;
  for (const Sharing& way : ways) {
    EngineOptions options = options_for(name, setting);
    options.seq_len = static_cast<int>(expected.length);
    options.max_new_tokens = static_cast<int>(expected.new_length);
    options.slots = way.slots;
    options.chunk_tokens = way.chunk_tokens;
    const auto engine = warm_engine<ContinuousEngine>(options);
    auto answers = answers_of(*engine, requests, way.gap);
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto wanted = alone.answer(requests[i]);
      EXPECT_EQ(answers[i].size(), wanted.size());
      ++agreement.requests;
      agreement.answers += answers[i] == wanted;
      agreement.first_tokens += !answers[i].empty() && answers[i].front() == wanted.front();
    }
  }
  return agreement;
}

}  // namespace cotenant::truth
