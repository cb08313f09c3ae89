#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

// Enumerations that people and files write as words, each word once:
//
//   enum class Task : uint8_t { forward, generate };
//   template <>
//   inline constexpr auto words_of<Task> = std::array{Word{Task::forward, "forward"}, Word{Task::generate,
//   "generate"}};
//
// to_string, from_word and the reading and writing of JSON (results/json_fields.h) follow from that.
namespace cotenant {

template <class E>
struct Word {
  E value;
  std::string_view text;
};
template <class E, class Text>
Word(E, Text) -> Word<E>;  // Clang deduces it by itself from 17 on

template <class E>
inline constexpr std::array<Word<E>, 0> words_of{};

template <class E>
concept HasWords = words_of<E>
.size() > 0;

template <HasWords E>
constexpr std::string_view to_string(E value) {
  for (const Word<E>& word : words_of<E>)
    if (word.value == value) return word.text;
  return "?";
}

template <HasWords E>
constexpr std::optional<E> from_word(std::string_view text) {
  for (const Word<E>& word : words_of<E>)
    if (word.text == text) return word.value;
  return std::nullopt;
}

// "forward, generate"
template <HasWords E>
std::string all_words() {
  std::string all;
  for (const Word<E>& word : words_of<E>) all.append(all.empty() ? "" : ", ").append(word.text);
  return all;
}

}  // namespace cotenant
