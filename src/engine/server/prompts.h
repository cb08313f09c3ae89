#pragma once

#include <cstdint>
#include <string>

namespace cotenant {

// Text of prompts as JSON, a pure function of the seed, the request and the sequence in it. Each differs from the first
// token on, so that a server that remembers the beginnings of prompts cannot answer from memory.
class Prompts {
 public:
  Prompts(uint64_t seed, int vocab_size);

  void append_ids(std::string& json, int64_t iter, int row, int count) const;    // [17, 2048, ...]
  void append_words(std::string& json, int64_t iter, int row, int count) const;  // "time water ..."

 private:
  uint64_t draw(int64_t iter, int row, int index) const;

  const uint64_t seed_;
  const uint64_t vocab_size_;
};

}  // namespace cotenant
