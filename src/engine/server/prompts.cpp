#include "engine/server/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "base/mix64.h"

namespace cotenant {
namespace {

// Common English nouns and verbs without a rarer word inside: one token each behind a space, in the vocabularies of
// GPT-2, Llama and Qwen.
constexpr std::array<std::string_view, 64> kWords{
    "time",  "year",   "people", "way",     "day",     "man",     "thing",    "woman",   "life",       "child",
    "world", "school", "state",  "family",  "student", "group",   "country",  "problem", "hand",       "part",
    "place", "case",   "week",   "company", "system",  "program", "question", "work",    "government", "number",
    "night", "point",  "home",   "water",   "room",    "mother",  "area",     "money",   "story",      "fact",
    "month", "lot",    "right",  "study",   "book",    "eye",     "job",      "word",    "business",   "issue",
    "side",  "kind",   "head",   "house",   "service", "friend",  "father",   "power",   "hour",       "game",
    "line",  "end",    "member", "law"};

// Ids at either end of a vocabulary are often of control tokens and single bytes.
constexpr uint64_t kReserved = 300;

}  // namespace

Prompts::Prompts(uint64_t seed, int vocab_size) : seed_(seed), vocab_size_(static_cast<uint64_t>(vocab_size)) {}

uint64_t Prompts::draw(int64_t iter, int row, int index) const {
  const uint64_t sequence = mix64(mix64(seed_ ^ static_cast<uint64_t>(iter)) + static_cast<uint64_t>(row));
  return mix64(sequence + static_cast<uint64_t>(index));
}

void Prompts::append_ids(std::string& json, int64_t iter, int row, int count) const {
  const uint64_t least = vocab_size_ > 2 * kReserved ? kReserved : 0;
  char separator = '[';
  for (int i = 0; i < count; ++i, separator = ',') {
    json += separator;
    fmt::format_to(std::back_inserter(json), "{}", least + draw(iter, row, i) % (vocab_size_ - least));
  }
  json += ']';
}

void Prompts::append_words(std::string& json, int64_t iter, int row, int count) const {
  char separator = '"';
  for (int i = 0; i < std::max(1, count); ++i, separator = ' ') {
    json += separator;
    json += kWords[draw(iter, row, i) % kWords.size()];
  }
  json += '"';
}

}  // namespace cotenant
