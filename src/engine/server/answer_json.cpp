#include "engine/server/answer_json.h"

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

namespace cotenant {
namespace {

constexpr int64_t kMostTokens = 1'000'000'000;  // of a prompt or an answer, by the server's count

// Names that mean something, and all others.
enum class Name : uint8_t {
  other,
  choices,
  text,
  delta,
  message,
  content,
  reasoning,
  finish_reason,
  usage,
  prompt_tokens,
  completion_tokens,
  error,
  object,
  data,
};

Name name_of(std::string_view key) {
  using enum Name;
  constexpr std::array<std::pair<std::string_view, Name>, 15> names{{{"choices", choices},
                                                                     {"text", text},
                                                                     {"delta", delta},
                                                                     {"message", message},
                                                                     {"content", content},
                                                                     {"reasoning_content", reasoning},
                                                                     {"reasoning", reasoning},
                                                                     {"finish_reason", finish_reason},
                                                                     {"usage", usage},
                                                                     {"prompt_tokens", prompt_tokens},
                                                                     {"input_tokens", prompt_tokens},
                                                                     {"completion_tokens", completion_tokens},
                                                                     {"error", error},
                                                                     {"object", object},
                                                                     {"data", data}}};
  for (const auto& [known, name] : names)
    if (key == known) return name;
  return other;
}

// Follows the document without keeping it. path_[d] is the key of the value at depth d, counted from 1; in a list it is
// other.
class AnswerSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  AnswerJson answer;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<int64_t>(value)); }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool string(string_t& value) override {
    using enum Name;
    if (at(1) == choices && !value.empty()) {
      const bool plain = depth_ == 3 && at(3) == text;
      const bool chat = depth_ == 4 && (at(3) == delta || at(3) == message) && (at(4) == content || at(4) == reasoning);
      if (plain || chat) answer.has_text = true;
      if (depth_ == 3 && at(3) == finish_reason) answer.finished = true;
    }
    if (at(1) == error && (depth_ == 1 || (depth_ == 2 && at(2) == message))) answer.error = value;
    if (depth_ == 1 && at(1) == message) message_ = value;
    if (depth_ == 1 && at(1) == object && value == "error") answer.is_error = true;
    if (depth_ == 1 && at(1) == error) answer.is_error = true;
    return true;
  }
  bool start_object(size_t) override {
    if (depth_ == 1 && at(1) == Name::error) answer.is_error = true;
    if (depth_ == 2 && at(1) == Name::data) answer.has_data = true;
    return descend();
  }
  bool key(string_t& value) override {
    if (depth_ < path_.size()) path_[depth_] = name_of(value);
    return true;
  }
  bool end_object() override { return ascend(); }
  bool start_array(size_t) override { return descend(); }
  bool end_array() override { return ascend(); }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

  void finish() {
    answer.is_json = true;
    if (answer.is_error && answer.error.empty()) answer.error = message_;
  }

 private:
  Name at(size_t depth) const { return depth < path_.size() ? path_[depth] : Name::other; }
  bool descend() {
    if (++depth_ < path_.size()) path_[depth_] = Name::other;
    return true;
  }
  bool ascend() {
    --depth_;
    return true;
  }
  // A count that no answer has is none: what follows adds and subtracts them.
  bool number(int64_t value) {
    if (value < 0 || value > kMostTokens) return true;
    if (depth_ != 2 || at(1) != Name::usage) return true;
    if (at(2) == Name::prompt_tokens) answer.prompt_tokens = value;
    if (at(2) == Name::completion_tokens) answer.completion_tokens = value;
    return true;
  }

  std::array<Name, 8> path_{};
  size_t depth_ = 0;
  std::string message_;
};

// Every byte that is not ASCII becomes one that is, and \uXXXX another escape: nobody reads the text.
void make_plain(std::string& json) {
  for (size_t i = 0; i < json.size(); ++i) {
    if (static_cast<unsigned char>(json[i]) >= 0x80) json[i] = '?';
    if (json[i] != '\\') continue;
    ++i;
    if (i < json.size() && json[i] == 'u') json[i] = 'n';
  }
}

}  // namespace

AnswerJson read_answer(std::string& json) {
  make_plain(json);
  AnswerSax sax;
  if (json.empty() || json.find_first_not_of(" \t\r\n") == std::string::npos ||
      json[json.find_first_not_of(" \t\r\n")] != '{')
    return {};
  if (!nlohmann::json::sax_parse(json, &sax)) return {};
  sax.finish();
  return std::move(sax.answer);
}

}  // namespace cotenant
